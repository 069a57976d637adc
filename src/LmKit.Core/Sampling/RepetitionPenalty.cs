using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Lowers the logits of tokens already present: multiplicatively (Keskar et al. 2019), or by count and presence.</summary>
public static class RepetitionPenalty
{
    /// <summary>Divides positive and multiplies negative logits of tokens of the prompt and of the text so far.</summary>
    public static LogitFilter Filter(double penalty)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(penalty);
        return (logits, tokens, _) =>
        {
            using var scope = NewDisposeScope();
            var seen = Counts(tokens, logits).gt(0);
            var penalised = where(logits.gt(0), logits / penalty, logits * penalty);
            return where(seen, penalised, logits).MoveToOuterDisposeScope();
        };
    }

    /// <summary>Subtracts <paramref name="frequency"/> per occurrence and <paramref name="presence"/> once, over the text after the prompt.</summary>
    public static LogitFilter Filter(double frequency, double presence) => (logits, tokens, promptLength) =>
    {
        using var scope = NewDisposeScope();
        var counts = Counts(tokens.narrow(1, promptLength, tokens.size(1) - promptLength), logits);
        return (logits - counts * frequency - counts.gt(0).to(logits.dtype) * presence).MoveToOuterDisposeScope();
    };

    private static Tensor Counts(Tensor tokens, Tensor logits)
    {
        var valid = tokens.ge(0).to(logits.dtype); // (B, L)
        return zeros_like(logits).scatter_add(-1, tokens.clamp(min: 0), valid); // (B, V)
    }
}
