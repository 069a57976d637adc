using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One new token of a uniform batch: constant work per token.</summary>
/// <remarks>A relative encoding sees positions only through distances: a starting token at position s that left the window stands at
/// distance D from a query at s + D, so the keys stay as they are and the query is encoded once more for each starting token.</remarks>
internal static class LambdaStep
{
    internal static Tensor Attend(AttentionInput input, MaskReach shape, HeldKeys held, long position)
    {
        using var scope = NewDisposeScope();
        var near = held.CountBefore(position - shape.Window + 1);
        var far = Math.Min(near, held.CountBefore(shape.Starts));
        var window = held.CountBefore(position + 1) - near;
        var (heads, keyHeads) = (input.Queries.size(1), input.Keys.size(1));
        var scale = 1 / Math.Sqrt(input.Queries.size(3));
        var close = Part(near, window);
        var q = close.EncodedQueries();
        var bias = Bias(close, input.QueryPositions.narrow(0, 0, 1).unsqueeze(-1) - close.KeyPositions.narrow(0, 0, 1).unsqueeze(-2));
        var starts = Part(0, far);
        if (far == 0 || input.Encoding is null)
        {
            var (k, v) = (close.EncodedKeys(), close.Values);
            if (far > 0)
                (k, v) = (cat([starts.Keys, k], 2), cat([starts.Values, v], 2));
            if (input.SoftCap is not null)
            {
                var scores = input.Cap(einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, keyHeads) * scale, k));
                scores = bias is null ? scores : scores + bias;
                return SharedHeads.Split(einsum("bhlm,bhmp->bhlp", scores.softmax(-1), v), heads).MoveToOuterDisposeScope();
            }
            var attended = nn.functional.scaled_dot_product_attention(SharedHeads.Join(q, keyHeads), k, v, bias);
            return SharedHeads.Split(attended, heads).MoveToOuterDisposeScope();
        }
        var nearScores = Scores(q, close);
        var farScores = FarScores();
        var weights = cat([farScores, nearScores], -1).softmax(-1);
        var joined = Weighted(weights.narrow(-1, 0, far), starts) + Weighted(weights.narrow(-1, far, window), close);
        return SharedHeads.Split(joined, heads).MoveToOuterDisposeScope();

        AttentionInput Part(long start, long count) => input with
        {
            Keys = input.Keys.narrow(2, start, count),
            Values = input.Values.narrow(2, start, count),
            KeyPositions = input.KeyPositions.narrow(1, start, count),
        };

        // (1, Hkv, H / Hkv, M), or null.
        Tensor? Bias(AttentionInput part, Tensor distances) =>
            part.Encoding?.Bias(distances, input.Queries.dtype) is { } given ? SharedHeads.Join(given, keyHeads) : null;

        // (B, Hkv, H / Hkv, M).
        Tensor Scores(Tensor queries, AttentionInput part)
        {
            var scores = input.Cap(einsum("bhlp,bhmp->bhlm", SharedHeads.Join(queries * scale, keyHeads), part.EncodedKeys()));
            return bias is null ? scores : scores + bias;
        }

        Tensor Weighted(Tensor weights, AttentionInput part) => einsum("bhlm,bhmp->bhlp", weights, part.Values);

        Tensor FarScores()
        {
            var positions = starts.KeyPositions.narrow(0, 0, 1); // (1, G)
            var queries = input.Encoding.EncodeQueries(input.Queries.expand(-1, -1, far, -1), positions + shape.Ceiling); // (B, H, G, P)
            var grouped = (queries * scale).unflatten(1, [keyHeads, heads / keyHeads]); // (B, Hkv, H / Hkv, G, P)
            var scores = input.Cap((grouped * starts.EncodedKeys().unsqueeze(2)).sum(-1)); // (B, Hkv, H / Hkv, G)
            var shown = Bias(starts, full([1, 1, far], shape.Ceiling, ScalarType.Int64, scores.device));
            return shown is null ? scores : scores + shown;
        }
    }
}
