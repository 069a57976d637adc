using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The AFA term: the mean over rows of (|codes| - |x|)^2 (Lee et al. 2025).</summary>
internal static class AfaLoss
{
    internal static Tensor Of(AutoencoderPass pass, Tensor wanted)
    {
        var squares = pass.Features.Kept is { } kept ? kept.RowSums(kept.Values.square()) : HalfPrecision.Widen(pass.Codes).square().sum(1);
        // The gradient of an empty code is taken as 0: the square root is kept away from 0 there, and its value put back to 0.
        var empty = squares.eq(0);
        var norms = squares.masked_fill(empty, 1).sqrt().masked_fill(empty, 0);
        return (norms - wanted).square().mean();
    }
}

/// <summary>Which norm an AFA selection or loss wants codes to reach.</summary>
public enum AfaTarget
{
    /// <summary>|x - b_dec|.</summary>
    CentredInput,

    /// <summary>|x|.</summary>
    Input,

    /// <summary>The norm of what all rectified features together rebuild, |relu(p) W_dec|.</summary>
    Reconstructed,
}
