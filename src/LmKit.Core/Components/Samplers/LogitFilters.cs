using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Divides the logits by a temperature: below 1 sharper, above 1 flatter.</summary>
/// <remarks>Computed in float32 or wider. Below 0.01 each row's largest logit is taken off first, so that no temperature overflows: the
/// limit is the most likely token.</remarks>
public static class Temperature
{
    private const double Small = 0.01;

    // Below it 1 / t is near the end of float32: what is not the largest is as good as impossible.
    private const double Least = 1e-30;

    /// <summary>The filter of a positive temperature.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The temperature is not a positive, finite number.</exception>
    public static LogitFilter Filter(double temperature)
    {
        if (!(temperature > 0 && double.IsFinite(temperature)))
            throw new ArgumentOutOfRangeException(nameof(temperature), temperature, "A temperature is a positive, finite number; 0, the most likely token, is no filter.");
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(Temperature));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            if (temperature >= Small)
                return wide.div(temperature).MoveToOuterDisposeScope();
            var below = wide - wide.amax([-1], keepdim: true); // (B, V), at most 0
            var divided = temperature < Least ? below.masked_fill(below.lt(0), double.NegativeInfinity) : below.div(temperature);
            return divided.MoveToOuterDisposeScope();
        };
    }
}

/// <summary>Keeps the k most likely tokens (Fan et al. 2018).</summary>
public static class TopK
{
    /// <summary>The filter that keeps <paramref name="count"/> tokens, and those tied with the last of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The count is not positive.</exception>
    public static LogitFilter Filter(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (logits, _, _) =>
        {
            LogitCheck.Logits(logits, nameof(TopK));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            if (count >= wide.size(-1))
                return wide.MoveToOuterDisposeScope();
            var (best, _) = topk(wide, count);
            var least = best.narrow(-1, count - 1, 1); // (B, 1)
            return wide.masked_fill(wide.lt(least), double.NegativeInfinity).MoveToOuterDisposeScope();
        };
    }
}

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

/// <summary>Lowers the logits of tokens already present: multiplicatively (Keskar et al. 2019), or by count and presence.</summary>
/// <remarks>Computed, and occurrences counted, in float32 or wider.</remarks>
public static class RepetitionPenalty
{
    /// <summary>Divides positive and multiplies negative logits of tokens of the prompt and of the text so far.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The penalty is not a positive, finite number.</exception>
    public static LogitFilter Filter(double penalty)
    {
        if (!(penalty > 0 && double.IsFinite(penalty)))
            throw new ArgumentOutOfRangeException(nameof(penalty), penalty, "A repetition penalty is a positive, finite number; 1 changes nothing.");
        return (logits, tokens, _) =>
        {
            LogitCheck.All(logits, tokens, 0, nameof(RepetitionPenalty));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            var seen = Counts(tokens, wide).gt(0);
            var penalised = where(wide.gt(0), wide / penalty, wide * penalty);
            return where(seen, penalised, wide).MoveToOuterDisposeScope();
        };
    }

    /// <summary>Subtracts <paramref name="frequency"/> per occurrence and <paramref name="presence"/> once, over the text after the prompt.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A penalty is not a finite number.</exception>
    public static LogitFilter Filter(double frequency, double presence)
    {
        if (!double.IsFinite(frequency))
            throw new ArgumentOutOfRangeException(nameof(frequency), frequency, "A frequency penalty is a finite number; 0 changes nothing.");
        if (!double.IsFinite(presence))
            throw new ArgumentOutOfRangeException(nameof(presence), presence, "A presence penalty is a finite number; 0 changes nothing.");
        return (logits, tokens, promptLength) =>
        {
            LogitCheck.All(logits, tokens, promptLength, nameof(RepetitionPenalty));
            using var scope = NewDisposeScope();
            var wide = HalfPrecision.Widen(logits);
            var counts = Counts(tokens.narrow(1, promptLength, tokens.size(1) - promptLength), wide);
            return (wide - counts * frequency - counts.gt(0).to(wide.dtype) * presence).MoveToOuterDisposeScope();
        };
    }

    private static Tensor Counts(Tensor tokens, Tensor logits)
    {
        var valid = tokens.ge(0).to(logits.dtype); // (B, L)
        return zeros_like(logits).scatter_add(-1, tokens.clamp(min: 0), valid); // (B, V)
    }
}
