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

    // Most rows reach p within so many tokens, which are found without sorting the vocabulary.
    private const int Few = 256;

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
            var dropped = DroppedBelow(wide, reached) ?? DroppedByOrder(wide, reached);
            return wide.masked_fill(dropped, double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }

    // (B, V) bool, or null where a row needs more tokens than a few, or not all of those tied with the last one that it keeps.
    private static Tensor? DroppedBelow(Tensor logits, double reached)
    {
        var vocabulary = logits.size(-1);
        if (logits.device_type != DeviceType.CPU || vocabulary < 4 * Few)
            return null;
        var flat = logits.reshape(-1, vocabulary);
        var (best, _) = topk(flat, Few);
        var total = flat.to(ScalarType.Float64).logsumexp(-1, keepdim: true);
        var sums = (best.to(ScalarType.Float64) - total).exp().cumsum(-1); // (B, few)
        var kept = sums.lt(reached).sum(-1, keepdim: true) + 1;            // a token goes when those ahead of it reach p
        if (!kept.le(Few).all().ToBoolean())
            return null; // or a row that is not finite
        var least = best.gather(-1, kept - 1); // (B, 1)
        var dropped = flat.lt(least);
        var isExact = dropped.logical_not().sum(-1, keepdim: true).eq(kept).all().ToBoolean();
        return isExact ? dropped.view(logits.shape) : null;
    }

    private static Tensor DroppedByOrder(Tensor logits, double reached)
    {
        var (sorted, order) = sort(logits, -1, descending: true, stable: true);
        var sums = sorted.to(ScalarType.Float64).softmax(-1).cumsum(-1);
        var dropped = zeros_like(sums, ScalarType.Bool);
        var last = sums.size(-1) - 1;
        dropped.narrow(-1, 1, last).copy_(sums.narrow(-1, 0, last).ge(reached)); // a token goes when those ahead of it reach p
        return zeros_like(dropped).scatter(-1, order, dropped);
    }
}
