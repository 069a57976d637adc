using static TorchSharp.torch;

namespace LmKit;

/// <summary>The mode that training needs, whatever mode the caller is in.</summary>
internal static class GradientMode
{
    /// <summary>Records gradients until the result is disposed, on this thread, also inside <c>no_grad</c>.</summary>
    /// <exception cref="InvalidOperationException">The thread is in inference mode, whose tensors can never be trained.</exception>
    public static IDisposable Record() => is_inference_mode_enabled()
        ? throw new InvalidOperationException("Training was called inside torch.inference_mode(), where no gradient can be recorded; end that mode first, or use no_grad, which training overrides.")
        : enable_grad();
}
