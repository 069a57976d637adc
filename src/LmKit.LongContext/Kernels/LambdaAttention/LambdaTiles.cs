using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Many new tokens of a uniform batch, in tiles of queries: time and memory linear in the length.</summary>
/// <remarks>The tile of queries [a, b) meets the keys (a - L, b) at true distances and, where some of its queries are past the window,
/// the starting keys at distance D, in one softmax. Far scores use queries encoded at D against keys encoded at 0.</remarks>
internal static class LambdaTiles
{
    private const long TileLength = 128; // 64 to 128 waste little: (L + T) / L of the kept scores are computed

    internal static Tensor Attend(AttentionInput input, MaskReach shape, HeldKeys held, long[] positions)
    {
        using var scope = NewDisposeScope();
        var (first, last) = (positions[0], positions[^1]);
        var queryPositions = input.QueryPositions.narrow(0, 0, 1); // (1, L): the rows of a uniform batch agree
        var keyPositions = input.KeyPositions.narrow(0, 0, 1); // (1, M)
        var (q, k) = (input.EncodedQueries(), input.EncodedKeys());
        if (held.Count == positions.Length && held[0] == first && last - first < shape.Window && input.SoftCap is null && input.Encoding is null or RotaryEmbedding)
        {
            var whole = nn.functional.scaled_dot_product_attention(
                q, DenseAttention.ShareHeads(k, q), DenseAttention.ShareHeads(input.Values, q), is_casual: true);
            return whole.MoveToOuterDisposeScope();
        }
        var far = Math.Min(held.CountBefore(shape.Starts), held.CountBefore(last - shape.Window + 1));
        var starts = far > 0 ? FarSide(input, shape, far) : null;
        var tiles = new List<Tensor>();
        for (long start = 0; start < positions.Length; start += TileLength)
        {
            var count = Math.Min(TileLength, positions.Length - start);
            var near = held.CountBefore(positions[start] - shape.Window + 1);
            var end = held.CountBefore(positions[start + count - 1] + 1);
            var tileFar = Math.Min(far, held.CountBefore(positions[start + count - 1] - shape.Window + 1));
            var tile = new Tile(
                q.narrow(2, start, count),
                k.narrow(2, near, end - near),
                input.Values.narrow(2, near, end - near),
                queryPositions.narrow(1, start, count).unsqueeze(-1) - keyPositions.narrow(1, near, end - near).unsqueeze(-2),
                tileFar == 0 ? null : queryPositions.narrow(1, start, count).unsqueeze(-1) - keyPositions.narrow(1, 0, tileFar).unsqueeze(-2));
            tiles.Add(tileFar == 0
                ? tile.Attend(shape, input)
                : tile.Attend(shape, input, starts! with
                {
                    Queries = starts.Queries.narrow(2, start, count),
                    Keys = starts.Keys.narrow(2, 0, tileFar),
                    Values = starts.Values.narrow(2, 0, tileFar),
                }));
        }
        return (tiles.Count == 1 ? tiles[0].alias() : cat(tiles, 2)).MoveToOuterDisposeScope();
    }

    private static Starting FarSide(AttentionInput input, MaskReach shape, long count)
    {
        var first = input with { Keys = input.Keys.narrow(2, 0, count), KeyPositions = input.KeyPositions.narrow(1, 0, count) };
        var (keys, values) = (first.Decoded().Keys, input.Values.narrow(2, 0, count));
        if (input.Encoding is not { } encoding)
            return new Starting(input.Queries, keys, values);
        var device = input.Queries.device;
        var ceiling = full([1, input.Queries.size(2)], shape.Ceiling, ScalarType.Int64, device);
        var origin = zeros([1, count], ScalarType.Int64, device);
        return new Starting(encoding.EncodeQueries(input.Queries, ceiling), encoding.EncodeKeys(keys, origin), values);
    }

    private sealed record Starting(Tensor Queries, Tensor Keys, Tensor Values);

    private sealed record Tile(Tensor Queries, Tensor Keys, Tensor Values, Tensor Distances, Tensor? FarDistances)
    {
        internal Tensor Attend(MaskReach shape, AttentionInput input, Starting? starts = null)
        {
            using var scope = NewDisposeScope();
            var encoding = input.Encoding;
            var (heads, keyHeads) = (Queries.size(1), Keys.size(1));
            var allowed = Distances.ge(0).logical_and(Distances.lt(shape.Window)); // (1, T, M)
            var shown = Distances;
            if (FarDistances is not null)
            {
                var isFar = FarDistances.ge(shape.Window);
                allowed = cat([isFar, allowed], -1);
                shown = cat([full_like(FarDistances, shape.Ceiling), Distances], -1);
            }
            var mask = encoding?.Bias(shown, Queries.dtype) is { } bias // (1, H, T, M)
                ? SharedHeads.Join(bias.masked_fill(allowed.logical_not().unsqueeze(1), double.NegativeInfinity), keyHeads)
                : SharedHeads.Repeat(allowed, heads / keyHeads).unsqueeze(1);
            var q = SharedHeads.Join(Queries, keyHeads);
            var (k, v) = (Keys, Values);
            if (starts is not null)
            {
                v = cat([starts.Values, Values], 2);
                if (encoding is not null)
                    return Finish(Weighted(Scores(q, Keys, SharedHeads.Join(starts.Queries, keyHeads), starts.Keys)));
                k = cat([starts.Keys, Keys], 2);
            }
            return Finish(input.SoftCap is null ? nn.functional.scaled_dot_product_attention(q, k, v, mask) : Weighted(Scores(q, k)));

            Tensor Weighted(Tensor scores)
            {
                scores = input.Cap(scores);
                scores = mask.dtype == ScalarType.Bool
                    ? scores.masked_fill(mask.logical_not(), double.NegativeInfinity)
                    : scores + mask;
                return einsum("bhlm,bhmp->bhlp", scores.softmax(-1), v);
            }

            Tensor Finish(Tensor attended) => SharedHeads.Split(attended, heads).MoveToOuterDisposeScope();
        }

        private static Tensor Scores(Tensor q, Tensor k, Tensor farQueries, Tensor farKeys)
        {
            var far = Scores(farQueries, farKeys);
            return cat([far, Scores(q, k)], -1);
        }

        // The scale before the product: a tile's queries are fewer numbers than its scores, and smaller ones.
        private static Tensor Scores(Tensor q, Tensor k) => einsum("bhlp,bhmp->bhlm", q * (1 / Math.Sqrt(q.size(3))), k);
    }
}
