using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The scores that attention takes its softmax of, as numbers: scale, soft cap, position bias and the distances that the mask shows are in
/// them.</summary>
internal static class TrueLogits
{
    /// <summary>Why a mask's scores cannot be told, or null: it attends in a way of its own that is not three numbers.</summary>
    internal static string? Unknown(IAttentionMask mask) => mask is IMaskedAttention { HasDenseForm: false } and not IReachingMask
        ? $"{mask} attends in a way of its own, and what it takes its softmax of cannot be told from what it hides and at which distance it shows the rest."
        : null;

    /// <summary>The scores of some queries, in float64 and the caller's dispose scope: (B, H, R, M), minus infinity where the mask hides a key.</summary>
    /// <param name="input">What attention works on.</param>
    /// <param name="mask">The mask.</param>
    /// <param name="start">The first query, by its column.</param>
    /// <param name="count">Queries R.</param>
    internal static Tensor Of(AttentionInput input, IAttentionMask mask, long start, long count)
    {
        using var scope = NewDisposeScope();
        var rows = Rows(input, start, count).Widened();
        var distances = rows.QueryPositions.unsqueeze(-1) - rows.KeyPositions.unsqueeze(-2); // (B, R, M)
        var scores = Scores(rows.EncodedQueries(), rows.EncodedKeys()); // (B, H, R, M)
        if (Far(mask, distances, rows) is var (isFar, shown))
        {
            if (rows.Encoding is not null && isFar.any().ToBoolean())
                scores = where(isFar.unsqueeze(1), FarScores(rows, mask), scores);
            distances = where(isFar, shown, distances);
        }
        scores = rows.Cap(scores);
        if (rows.Encoding?.Bias(distances, scores.dtype) is { } bias)
            scores += bias;
        if (DenseAttention.AllowedChecked(rows, mask, out var blind) is { } allowed)
        {
            if (blind is not null)
                allowed = allowed.logical_and(blind.logical_not());
            scores = scores.masked_fill(allowed.logical_not().unsqueeze(1), double.NegativeInfinity);
        }
        return scores.to(ScalarType.Float64).MoveToOuterDisposeScope();
    }

    private static AttentionInput Rows(AttentionInput input, long start, long count) => input with
    {
        Queries = input.Queries.narrow(2, start, count),
        QueryPositions = input.QueryPositions.narrow(1, start, count),
        QuerySegments = input.QuerySegments?.narrow(1, start, count),
    };

    // Which pairs are shown at another distance than theirs, and at which; null where none ever is.
    private static (Tensor IsFar, Tensor Shown)? Far(IAttentionMask mask, Tensor distances, AttentionInput rows) => mask switch
    {
        { IsPlainCausal: true } or IReachingMask { Reach.Starts: 0 } => null,
        IReachingMask { Reach: { Far: FarDistance.Ceiling } reach } => (distances.ge(reach.Window), full_like(distances, reach.Ceiling)),
        IReachingMask { Reach: { Far: FarDistance.Closed } reach } => (distances.ge(reach.Window), rows.QueryPositions.clamp(max: reach.Ceiling).unsqueeze(-1) - rows.KeyPositions.unsqueeze(-2)),
        IReachingMask => null,
        { DistanceCeiling: { } ceiling } => (distances.gt(ceiling), full_like(distances, ceiling)),
        _ => null,
    };

    // Of queries at the distance that is shown, from keys at 0 or, where the middle is closed up, at their own places.
    private static Tensor FarScores(AttentionInput rows, IAttentionMask mask)
    {
        var encoding = rows.Encoding!;
        var reach = (mask as IReachingMask)?.Reach;
        if (reach is { Far: FarDistance.Closed } closed)
            return Scores(encoding.EncodeQueries(rows.Queries, rows.QueryPositions.clamp(max: closed.Ceiling)), rows.EncodedKeys());
        var queries = encoding.EncodeQueries(rows.Queries, full_like(rows.QueryPositions, reach?.Ceiling ?? mask.DistanceCeiling!.Value));
        return Scores(queries, encoding.EncodeKeys(rows.Decoded().Keys, zeros_like(rows.KeyPositions)));
    }

    private static Tensor Scores(Tensor q, Tensor k)
    {
        var scores = einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, k.size(1)) * (1 / Math.Sqrt(q.size(3))), k);
        return SharedHeads.Split(scores, q.size(1));
    }
}
