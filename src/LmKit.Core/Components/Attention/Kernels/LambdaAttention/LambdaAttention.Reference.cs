using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static unsafe partial class LambdaAttention
{
    // Few of the scores of a tile are wasted on its edges.
    private const int ReferenceTile = 128;

    /// <summary>The definition, a tile of queries at a time.</summary>
    internal static Tensor Reference(LambdaParts parts)
    {
        using var scope = NewDisposeScope();
        var tiles = new List<Tensor>();
        var length = parts.QueryPositions.Length;
        for (var start = 0; start < length; start += ReferenceTile)
            tiles.Add(ReferenceOf(parts, start, Math.Min(ReferenceTile, length - start)));
        return (tiles.Count == 1 ? tiles[0] : cat(tiles, 2)).MoveToOuterDisposeScope();
    }

    private static Tensor ReferenceOf(LambdaParts parts, int start, int count)
    {
        using var scope = NewDisposeScope();
        var (ranges, last) = (parts.Ranges, start + count - 1);
        var (first, end, far) = (ranges.From[start], Math.Max(ranges.From[start], ranges.End[last]), ranges.Far[last]);
        var (heads, keyHeads) = (parts.Queries.size(1), parts.Keys.size(1));
        if (end - first + far == 0)
            return zeros_like(parts.Queries.narrow(2, start, count)).MoveToOuterDisposeScope();
        var scores = Scores(parts.Queries, parts.Keys.narrow(2, first, end - first));
        var values = parts.Values.narrow(2, first, end - first);
        if (far > 0)
        {
            scores = cat([Scores(parts.FarQueries!, parts.FarKeys!.narrow(2, 0, far)), scores], -1);
            values = cat([parts.Values.narrow(2, 0, far), values], 2);
        }
        if (parts.SoftCap is { } cap)
            scores = (scores / cap).tanh() * cap;
        var device = parts.Queries.device;
        var distances = Distances(parts, start, count, first, end, far, out var hidden);
        if (parts.Encoding?.Bias(tensor(distances, [1, count, far + end - first], device: device), scores.dtype) is { } bias)
            scores += SharedHeads.Join(bias, keyHeads);
        var isHidden = tensor(hidden, [1, 1, count, far + end - first], device: device).repeat(1, 1, heads / keyHeads, 1);
        scores = scores.masked_fill(isHidden, double.NegativeInfinity);
        if (parts.Sinks is { } sinks)
        {
            // One more column per query, whose weight is left out again.
            var column = sinks.to(scores.dtype).view(1, keyHeads, heads / keyHeads, 1, 1).expand(scores.size(0), -1, -1, count, 1).reshape(scores.size(0), keyHeads, heads / keyHeads * count, 1);
            scores = cat([scores, column], -1);
        }
        // A query that sees nothing has no weights.
        var weights = scores.softmax(-1).narrow(-1, 0, far + end - first).masked_fill(isHidden, 0);
        return SharedHeads.Split(einsum("bhlm,bhmp->bhlp", weights, values), heads).MoveToOuterDisposeScope();

        // The scale before the product: queries are fewer numbers than scores, and smaller ones.
        Tensor Scores(Tensor q, Tensor k) => einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q.narrow(2, start, count) * (1 / Math.Sqrt(q.size(3))), keyHeads), k);
    }

    // Row by row: far keys, then near ones.
    private static long[] Distances(LambdaParts parts, int start, int count, int first, int end, int far, out bool[] hidden)
    {
        var width = far + end - first;
        var distances = new long[count * width];
        hidden = new bool[count * width];
        for (int query = start, at = 0; query < start + count; query++)
        {
            var position = parts.QueryPositions[query];
            for (var key = 0; key < far; key++, at++)
            {
                hidden[at] = key >= parts.Ranges.Far[query];
                distances[at] = hidden[at] ? 0 : parts.Reach.FarDistanceOf(position, parts.KeyPositions[key]);
            }
            for (var key = first; key < end; key++, at++)
            {
                hidden[at] = key < parts.Ranges.From[query] || key >= parts.Ranges.End[query];
                distances[at] = hidden[at] ? 0 : position - parts.KeyPositions[key];
            }
        }
        return distances;
    }
}
