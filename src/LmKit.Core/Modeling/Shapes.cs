using static TorchSharp.torch;

namespace LmKit;

/// <summary>Shape checks at entry points, before any native call.</summary>
public static class Shapes
{
    /// <summary>Fails unless the last axis has the wanted width.</summary>
    /// <exception cref="ArgumentException">It has not; names the component and both shapes.</exception>
    public static void CheckWidth(Tensor x, long width, string component)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.dim() == 0 || x.size(-1) != width)
            throw new ArgumentException($"{component} takes (..., {width}); got ({string.Join(", ", x.shape)}).", nameof(x));
    }

    /// <summary>Fails unless x is a batch of sequences (B, L, D) of the wanted width.</summary>
    /// <inheritdoc cref="CheckWidth"/>
    public static void CheckSequence(Tensor x, long width, string component)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.dim() != 3 || x.size(2) != width)
            throw new ArgumentException($"{component} takes (B, L, {width}); got ({string.Join(", ", x.shape)}).", nameof(x));
    }
}
