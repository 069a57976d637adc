using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Checks of activations before they are encoded.</summary>
internal static class AutoencoderInput
{
    internal static void Check(Tensor activations, long width, string component)
    {
        Shapes.CheckWidth(activations, width, component);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var finite = activations.isfinite();
        if (finite.all().item<bool>())
            return;
        var row = Flat(finite).all(1).logical_not().nonzero()[0, 0].item<long>();
        throw new ArgumentException($"{component}: activations of row {row} are not finite; drop that row or find out where it comes from.", nameof(activations));
    }

    /// <summary>All leading axes joined: (rows, width).</summary>
    internal static Tensor Flat(Tensor x)
    {
        var width = x.size(-1);
        return x.reshape(width > 0 ? x.numel() / width : 0, width);
    }
}
