using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws from unnormalised weights: argmax_v q_v / (1e-10 - ln(u_v + 1e-10)), which is the Gumbel-max draw.</summary>
public static class CategoricalDraw
{
    private const double Tiny = 1e-10;

    /// <summary>One draw (...) int64 for each row of weights (..., V), with uniforms of the same shape; ties go to the first.</summary>
    public static Tensor Sample(Tensor weights, Tensor uniforms)
    {
        TensorCheck.CheckAlive(weights, nameof(weights), nameof(CategoricalDraw));
        TensorCheck.CheckAlive(uniforms, nameof(uniforms), nameof(CategoricalDraw));
        if (weights.device_type == DeviceType.META || uniforms.device_type == DeviceType.META)
            throw new ArgumentException($"{nameof(CategoricalDraw)} takes tensors with values, and those on the meta device have none.", nameof(weights));
        if (!TensorCheck.IsFloating(weights.dtype) || !TensorCheck.IsFloating(uniforms.dtype) || weights.dim() == 0 || weights.size(-1) == 0 || !Broadcasts(weights.shape, uniforms.shape))
        {
            throw new ArgumentException(
                $"{nameof(CategoricalDraw)} takes real weights (..., V) of at least one category and uniforms of the same shape; got {weights.dtype} ({string.Join(", ", weights.shape)}) and {uniforms.dtype} ({string.Join(", ", uniforms.shape)}).",
                nameof(uniforms));
        }
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var noise = (HalfPrecision.Widen(uniforms).to(weights.device) + Tiny).log_().neg_().add_(Tiny); // in the sum's memory
        return HalfPrecision.Widen(weights).div(noise).argmax(-1).MoveToOuterDisposeScope();
    }

    // The same last axis, and leading ones that are alike or 1.
    private static bool Broadcasts(long[] weights, long[] uniforms) =>
        uniforms.Length > 0 && weights[^1] == uniforms[^1]
        && weights.Reverse().Zip(uniforms.Reverse()).All(pair => pair.First == pair.Second || pair.First == 1 || pair.Second == 1);
}
