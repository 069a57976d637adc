using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
