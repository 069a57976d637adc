using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps the longest kernel made from frozen parameters, until a parameter's values, dtype or device change.</summary>
/// <remarks>Parameters are compared by content with copies of those that the kernel was made from: nothing else tells of a change
/// in place, and it costs far less than the kernel. What is made in inference mode, which no gradient may meet later, is not kept.
/// Thread-safe.</remarks>
internal sealed class KernelCache : IDisposable
{
    private readonly Lock gate = new();
    private Tensor[] seen = [];
    private Tensor? kernel; // (H, length)

    /// <summary>The kernel of a length, made anew where none that fits is kept.</summary>
    /// <param name="parameters">What it is made from.</param>
    /// <param name="length">Its length.</param>
    /// <param name="hasPrefixes">Whether a longer kernel begins with the shorter.</param>
    /// <param name="make">Makes it.</param>
    /// <returns>(H, length), in the caller's scope; a view of what is kept, not to be written into.</returns>
    internal Tensor Get(IReadOnlyList<Tensor> parameters, long length, bool hasPrefixes, Func<Tensor> make)
    {
        lock (gate)
        {
            if (kernel is null || !(kernel.size(1) == length || (hasPrefixes && kernel.size(1) > length)) || !Fits(parameters))
            {
                if (is_inference_mode_enabled())
                    return make();
                Drop();
                using var scope = NewDisposeScope();
                seen = [.. parameters.Select(parameter => parameter.detach().clone().DetachFromDisposeScope())];
                kernel = make().detach().DetachFromDisposeScope();
            }
            return kernel.narrow(1, 0, length);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
            Drop();
    }

    private bool Fits(IReadOnlyList<Tensor> parameters) => parameters.Count == seen.Length && parameters.Zip(seen).All(pair =>
        pair.First.dtype == pair.Second.dtype
        && pair.First.device_type == pair.Second.device_type
        && pair.First.device_index == pair.Second.device_index
        && pair.First.Equals(pair.Second));

    private void Drop()
    {
        foreach (var copy in seen)
            copy.Dispose();
        seen = [];
        kernel?.Dispose();
        kernel = null;
    }
}
