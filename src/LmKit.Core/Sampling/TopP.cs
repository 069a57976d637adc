using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Keeps the smallest set of most likely tokens whose probability reaches p (nucleus sampling, Holtzman et al. 2020).</summary>
/// <remarks>Probabilities are summed in float64; a sum that misses p by no more than the logits' own rounding reaches it. Of equally likely
/// tokens the lower id stays.</remarks>
public static class TopP
{
    // Relative, one unit of the last place; logits cannot say their probabilities more exactly.
    private const double SingleRounding = 1.2e-7;
    private const double DoubleRounding = 1e-13;

    /// <summary>The filter of a probability from 0 to 1; the most likely token always stays, and 1 keeps every token.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The probability is no number from 0 to 1.</exception>
    public static LogitFilter Filter(double probability)
    {
        if (!(probability is >= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "top_p is a probability from 0 to 1.");
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(TopP));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            if (probability == 1)
                return wide.MoveToOuterDisposeScope();
            var rounding = wide.dtype == ScalarType.Float64 ? DoubleRounding : SingleRounding;
            var reached = probability - rounding * Math.Min(probability, 1000 * (1 - probability)); // near 1 the tail still counts
            var (sorted, order) = sort(wide, -1, descending: true, stable: true);
            var sums = sorted.to(ScalarType.Float64).softmax(-1).cumsum(-1);
            var dropped = zeros_like(sums, ScalarType.Bool);
            var last = sums.size(-1) - 1;
            dropped.narrow(-1, 1, last).copy_(sums.narrow(-1, 0, last).ge(reached)); // a token goes when those ahead of it reach p
            var mask = zeros_like(dropped).scatter(-1, order, dropped);
            return wide.masked_fill(mask, double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}
