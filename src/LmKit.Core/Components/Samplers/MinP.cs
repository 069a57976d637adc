using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Drops tokens whose probability is below a share of the most likely token's (Nguyen et al. 2024).</summary>
/// <remarks>Compared in float64; a token that misses the share by no more than the logits' own rounding stays.</remarks>
public static class MinP
{
    // Of a logit near 1; logits cannot say their probabilities more exactly.
    private const double SingleRounding = 2.4e-7;
    private const double DoubleRounding = 1e-13;

    /// <summary>The filter of a share above 0 and up to 1; the most likely token always stays.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The share is no such number.</exception>
    public static LogitFilter Filter(double share)
    {
        if (!(share is > 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(share), share, "min_p is a share above 0 and up to 1; 0, which keeps every token, is no filter.");
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(MinP));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            var rounding = wide.dtype == ScalarType.Float64 ? DoubleRounding : SingleRounding;
            var exact = wide.to(ScalarType.Float64);
            var least = exact.amax([-1], keepdim: true) + (Math.Log(share) - rounding);
            return wide.masked_fill(exact.lt(least), double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
