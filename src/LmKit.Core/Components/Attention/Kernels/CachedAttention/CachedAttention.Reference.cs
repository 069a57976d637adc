using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class CachedAttention
{
    /// <summary>The definition, key by key's own distance, over keys that are held before position encoding.</summary>
    /// <param name="input">Queries, keys and values of a call, whatever its documents.</param>
    /// <param name="reach">The mask.</param>
    /// <returns>(B, H, L, P); zero for a query that sees no key.</returns>
    internal static Tensor Reference(AttentionInput input, MaskReach reach)
    {
        using var scope = NewDisposeScope();
        input = input.Decoded();
        var (heads, scale) = (input.Queries.size(1), 1 / Math.Sqrt(input.Queries.size(3)));
        var distances = input.QueryPositions.unsqueeze(-1) - input.KeyPositions.unsqueeze(-2); // (B, L, M)
        var isFar = distances.ge(reach.Window);
        var seen = distances.ge(0).logical_and(isFar.logical_not().logical_or(input.KeyPositions.lt(reach.Starts).unsqueeze(-2)));
        if (input.QuerySegments is { } documents)
            seen = seen.logical_and(documents.unsqueeze(-1).eq(input.KeySegments!.unsqueeze(-2))).logical_and(documents.ge(0).unsqueeze(-1));
        var (keys, values) = (DenseAttention.ShareHeads(input.Keys, input.Queries), DenseAttention.ShareHeads(input.Values, input.Queries));
        var scores = Scores(input.QueryPositions, input.KeyPositions);
        if (input.Encoding is not null && reach.Far != FarDistance.True)
        {
            var far = reach.Far == FarDistance.Closed
                ? Scores(input.QueryPositions.clamp(max: reach.Ceiling), input.KeyPositions)
                : Scores(full_like(input.QueryPositions, reach.Ceiling), zeros_like(input.KeyPositions));
            scores = where(isFar.unsqueeze(1), far, scores);
        }
        scores = input.Cap(scores);
        var shown = reach.Far switch
        {
            FarDistance.Ceiling => distances.masked_fill(isFar, reach.Ceiling),
            FarDistance.Closed => where(isFar, input.QueryPositions.clamp(max: reach.Ceiling).unsqueeze(-1) - input.KeyPositions.unsqueeze(-2), distances),
            _ => distances,
        };
        if (input.Encoding?.Bias(shown, scores.dtype) is { } bias)
            scores += bias;
        var hidden = seen.logical_not().unsqueeze(1).expand(-1, heads, -1, -1);
        scores = scores.masked_fill(hidden, double.NegativeInfinity);
        if (input.Sinks is { } sinks)
            scores = cat([scores, sinks.to(scores.dtype).view(1, heads, 1, 1).expand(scores.size(0), -1, scores.size(2), 1)], -1);
        var weights = scores.softmax(-1).narrow(-1, 0, values.size(2)).masked_fill(hidden, 0);
        return einsum("bhlm,bhmp->bhlp", weights, values).MoveToOuterDisposeScope();

        Tensor Scores(Tensor queryPositions, Tensor keyPositions)
        {
            var q = input.Encoding?.EncodeQueries(input.Queries, queryPositions) ?? input.Queries;
            var k = input.Encoding?.EncodeKeys(keys, keyPositions) ?? keys;
            return einsum("bhlp,bhmp->bhlm", q * scale, k);
        }
    }
}
