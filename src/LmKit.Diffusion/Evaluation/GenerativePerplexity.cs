using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Perplexity of samples under a scorer, an autoregressive model that judges them.</summary>
/// <remarks>Every token but an end-of-text one counts, and so does each token up to and including the first end-of-text: where a
/// sequence begins with end-of-text, that one is used up there. Report it beside <see cref="TokenEntropy"/>: repetition lowers both.</remarks>
public static class GenerativePerplexity
{
    /// <summary>Which predictions count, (B, L - 1) bool, for tokens (B, L).</summary>
    /// <param name="tokens">Samples (B, L) int64 in the scorer's vocabulary.</param>
    /// <param name="endOfTextId">The id that ends a text; null counts all.</param>
    public static Tensor Counted(Tensor tokens, long? endOfTextId)
    {
        var check = new TensorCheck(nameof(GenerativePerplexity));
        check.Integers(tokens, nameof(tokens), "B L");
        if (check["L"] == 0)
            throw new ArgumentException("Samples have at least one token; L is 0.", nameof(tokens));
        using var scope = NewDisposeScope();
        var targets = tokens.narrow(1, 1, tokens.size(1) - 1);
        if (endOfTextId is not { } end)
            return ones_like(targets, ScalarType.Bool).MoveToOuterDisposeScope();
        // Exactly one end so far: among ends that is the first one, and other tokens count anyway.
        var endCount = tokens.eq(end).to(ScalarType.Int64).cumsum(1).narrow(1, 1, tokens.size(1) - 1);
        return endCount.eq(1).logical_or(targets.ne(end)).MoveToOuterDisposeScope();
    }

    /// <summary>exp(sum of counted losses / number counted) over all samples.</summary>
    /// <param name="losses">Loss in nats (B, L - 1) of each token given those before it.</param>
    /// <param name="counted">(B, L - 1) bool.</param>
    /// <exception cref="ArgumentException">Nothing is counted.</exception>
    public static double Of(Tensor losses, Tensor counted) => Measure(losses, counted).Value;

    /// <summary>The same with its standard error over samples.</summary>
    /// <inheritdoc cref="Of(Tensor, Tensor)"/>
    public static Estimate Measure(Tensor losses, Tensor counted)
    {
        var check = new TensorCheck(nameof(GenerativePerplexity));
        check.AnyFloating(losses, nameof(losses), "B L");
        check.Truths(counted, nameof(counted), "B L");
        using var scope = NewDisposeScope();
        var counts = HostValues.Read(counted.sum(1));
        if (counts.Sum() == 0)
            throw new ArgumentException("No token is counted, so there is no perplexity.", nameof(counted));
        var sums = (losses.to(ScalarType.Float64) * counted.to(ScalarType.Float64)).sum(1).cpu().data<double>().ToArray();
        return Estimate.OfUnits(sums, counts, "samples", "exp of the mean loss of a counted token").Exponential();
    }

    /// <summary>The perplexity of samples under a language model.</summary>
    /// <param name="scorer">A causal model, in evaluation mode.</param>
    /// <param name="tokens">Samples (B, L) in its vocabulary.</param>
    /// <param name="endOfTextId">The id that ends a text; null counts all.</param>
    public static double Of(ILanguageModel scorer, Tensor tokens, long? endOfTextId = null) => Measure(scorer, tokens, endOfTextId).Value;

    /// <summary>The same with its standard error over samples.</summary>
    /// <inheritdoc cref="Of(ILanguageModel, Tensor, long?)"/>
    public static Estimate Measure(ILanguageModel scorer, Tensor tokens, long? endOfTextId = null)
    {
        ArgumentNullException.ThrowIfNull(scorer);
        if (!scorer.IsCausal)
            throw new ArgumentException("A scorer predicts each token from those before it; this model is bidirectional.", nameof(scorer));
        using var scope = NewDisposeScope();
        return Measure(NextTokenLoss.PerToken(scorer, tokens), Counted(tokens, endOfTextId));
    }
}
