using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Cross entropy of each next token of the same document; logits are made only for positions that count, a chunk of them at a time.</summary>
/// <remarks>Losses are computed and summed in float32 for a model in half precision, and are float32; gradients reach it in its own dtype.</remarks>
public static partial class NextTokenLoss
{
    private const long Padding = -100;

    /// <summary>The summed loss of a batch in nats.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">(B, L) int64.</param>
    /// <param name="segments">Document ids (B, L), -1 for padding, or null.</param>
    /// <param name="counted">(B, L) bool: which tokens count as targets, beside those that no document predicts; null for all.</param>
    /// <param name="chunkRows">Positions whose logits are in memory at a time; 0 for as many as keep them within 64 MiB of float32. Chunks
    /// cost the head a second forward pass.</param>
    public static TrainingLoss Of(ILanguageModel model, Tensor tokens, Tensor? segments = null, Tensor? counted = null, long chunkRows = 0)
    {
        ArgumentNullException.ThrowIfNull(model);
        var check = new TensorCheck(nameof(NextTokenLoss));
        check.Integers(tokens, nameof(tokens), "B L");
        if (segments is not null)
            check.Integers(segments, nameof(segments), "B L");
        if (counted is not null)
            check.Truths(counted, nameof(counted), "B L");
        ArgumentOutOfRangeException.ThrowIfNegative(chunkRows);
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(tokens, segments is null ? null : new SequenceContext(Segments: segments)); // (B, L, D)
        var (predicting, targets, _) = Select(hidden, tokens, segments, counted);
        var sum = targets.size(0) == 0 ? Nothing(hidden) : Sum(model, predicting, targets, Chunk(model, chunkRows));
        return new TrainingLoss(sum.MoveToOuterDisposeScope(), targets.size(0));
    }

    /// <summary>The same for each document of each row that has a token to predict, without a graph: what a standard error is made of.</summary>
    /// <inheritdoc cref="Of"/>
    internal static IReadOnlyList<(double Sum, long Count)> PerDocument(ILanguageModel model, Tensor tokens, Tensor? segments = null, Tensor? counted = null, long chunkRows = 0)
    {
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(tokens, segments is null ? null : new SequenceContext(Segments: segments)); // (B, L, D)
        var (predicting, targets, index) = Select(hidden, tokens, segments, counted);
        var places = HostValues.Read(index);
        var losses = Each(model, predicting, targets, Chunk(model, chunkRows));
        var (length, documents) = (tokens.size(1), segments is null ? null : HostValues.Read(segments));
        return [.. places.Zip(losses)
            .GroupBy(pair => (Row: pair.First / (length - 1), Document: documents is null ? 0 : documents[pair.First / (length - 1) * length + pair.First % (length - 1)]))
            .Select(group => (group.Sum(pair => pair.Second), (long)group.Count()))];
    }

    /// <summary>The loss in nats of every next token, (B, L - 1), without a graph; 0 for padding, whose ids are not read.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">(B, L) int64.</param>
    /// <param name="context">State to continue from, and segments.</param>
    public static Tensor PerToken(ILanguageModel model, Tensor tokens, SequenceContext? context = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        new TensorCheck(nameof(NextTokenLoss)).Integers(tokens, nameof(tokens), "B L");
        if (tokens.size(1) == 0)
            throw new ArgumentException("Tokens (B, L) have at least one column; L is 0.", nameof(tokens));
        using var frozen = no_grad();
        using var scope = NewDisposeScope();
        var hidden = model.Hidden(tokens, context);
        var logits = HalfPrecision.Widen(model.Logits(hidden.narrow(1, 0, tokens.size(1) - 1))).flatten(0, 1);
        var targets = tokens.narrow(1, 1, tokens.size(1) - 1);
        if (context?.Segments is { } segments)
            targets = targets.masked_fill(segments.narrow(1, 1, tokens.size(1) - 1).lt(0), Padding);
        var losses = nn.functional.cross_entropy(logits, targets.reshape(-1), ignore_index: Padding, reduction: nn.Reduction.None);
        return losses.view(targets.shape).MoveToOuterDisposeScope();
    }

    // 0 with a graph; a sum times 0 would be NaN where one hidden number is not finite or the sum is too large for its dtype.
    private static Tensor Nothing(Tensor hidden) => HalfPrecision.Widen(hidden.narrow(1, 0, 0)).sum();

    private static long Chunk(ILanguageModel model, long chunkRows) => chunkRows == 0 ? DefaultRows(model.VocabSize) : chunkRows;

    // Hidden states (R, D), targets (R) and places (R) among B (L-1), of what counts.
    private static (Tensor Predicting, Tensor Targets, Tensor Index) Select(Tensor hidden, Tensor tokens, Tensor? segments, Tensor? counted)
    {
        var length = tokens.size(1);
        if (length < 2)
            return (hidden.flatten(0, 1).narrow(0, 0, 0), tokens.reshape(-1).narrow(0, 0, 0), zeros(0, ScalarType.Int64));
        var predicting = hidden.narrow(1, 0, length - 1).flatten(0, 1);
        var targets = tokens.narrow(1, 1, length - 1).reshape(-1);
        if (Counts(segments, counted, length) is not { } rows)
            return (predicting, targets, arange(targets.size(0), dtype: ScalarType.Int64));
        var index = rows.nonzero().squeeze(1);
        return (predicting.index_select(0, index), targets.index_select(0, index), index);
    }

    private static Tensor? Counts(Tensor? segments, Tensor? counted, long length)
    {
        var wanted = counted?.narrow(1, 1, length - 1);
        if (segments is not null)
        {
            var here = segments.narrow(1, 0, length - 1);
            var next = segments.narrow(1, 1, length - 1);
            var same = here.eq(next).logical_and(next.ge(0));
            wanted = wanted is null ? same : wanted.logical_and(same);
        }
        return wanted?.reshape(-1);
    }
}
