using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>A tile of queries of one head that meets tiles of keys: what its forward and its backward pass share.</summary>
internal static unsafe class LambdaTile<V, T>
    where V : struct
    where T : struct, ILanes<V>
{
    /// <summary>Scaled queries of a tile, each row filled up with zeros to whole vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Load(in LambdaCall call, float* source, int count, float factor, float* target)
    {
        var (width, wide) = (call.HeadDim, call.Width);
        for (var row = 0; row < count; row++, source += width, target += wide)
        {
            var at = 0;
            var by = T.Broadcast(factor);
            for (; at + T.Count <= width; at += T.Count)
                T.Store(T.Multiply(T.Load(source + at), by), target + at);
            for (; at < width; at++)
                target[at] = source[at] * factor;
            for (; at < wide; at++)
                target[at] = 0;
        }
    }

    /// <summary>The scores of a few queries and the vectors of a key tile that they need, hidden ones -infinity.</summary>
    /// <param name="call">The call.</param>
    /// <param name="head">The query head.</param>
    /// <param name="query">The first query.</param>
    /// <param name="count">Queries.</param>
    /// <param name="queries">Their numbers.</param>
    /// <param name="keys">The key tile (P, 64).</param>
    /// <param name="first">The index of the tile's first key.</param>
    /// <param name="low">The first vector.</param>
    /// <param name="high">Behind the last vector.</param>
    /// <param name="isFar">Whether the keys are far ones.</param>
    /// <param name="scores">(count, 64).</param>
    /// <param name="factors">Where the derivatives of the soft cap go, laid out alike; null for nowhere.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Scores(in LambdaCall call, int head, int query, int count, float* queries, float* keys, int first, int low, int high, bool isFar, float* scores, float* factors = null)
    {
        const int stride = LambdaCall.KeyTile;
        BlockProduct<V, T>.Run(queries, call.Width, 1, keys + (low * T.Count), stride, scores + (low * T.Count), stride, null, count, call.HeadDim, high - low, adds: false);
        int from = low * T.Count, end = high * T.Count;
        // Ranges grow: where the first query sees up to the end and the last one from the start, all see everything.
        var isWhole = Range(call, query, first, isFar).Behind >= end && Range(call, query + count - 1, first, isFar).Seen <= from;
        if (isWhole && call.SoftCap == 0 && call.Slopes is null)
            return;
        for (var row = 0; row < count; row++, scores += stride)
        {
            if (call.SoftCap > 0)
                Cap(call.SoftCap, scores, factors is null ? null : factors + (row * stride), from, end);
            if (call.Slopes is { } slopes)
                Lower(call, slopes[head], query + row, first, from, Math.Min(end, (isFar ? call.Far : call.Held) - first), isFar, scores);
            var (seen, behind) = Range(call, query + row, first, isFar);
            for (var key = from; key < Math.Min(seen, end); key++)
                scores[key] = float.NegativeInfinity;
            for (var key = Math.Max(behind, from); key < end; key++)
                scores[key] = float.NegativeInfinity;
        }
    }

    /// <summary>The keys of a tile that a query sees, by their index in the tile; behind before seen where there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static (int Seen, int Behind) Range(in LambdaCall call, int query, int first, bool isFar)
    {
        var ranges = call.Parts.Ranges;
        return isFar
            ? (0, Math.Clamp(ranges.Far[query] - first, 0, LambdaCall.KeyTile))
            : (Math.Clamp(ranges.From[query] - first, 0, LambdaCall.KeyTile), Math.Clamp(ranges.End[query] - first, 0, LambdaCall.KeyTile));
    }

    // c tanh(s / c), whose derivative is 1 - tanh^2.
    private static void Cap(float cap, float* scores, float* factors, int from, int end)
    {
        for (var key = from; key < end; key++)
        {
            var ratio = MathF.Tanh(scores[key] / cap);
            scores[key] = cap * ratio;
            if (factors is not null)
                factors[key] = 1 - (ratio * ratio);
        }
    }

    // ALiBi: slope * distance off every score.
    private static void Lower(in LambdaCall call, float slope, int query, int first, int from, int end, bool isFar, float* scores)
    {
        var parts = call.Parts;
        var position = parts.QueryPositions[query];
        for (var key = from; key < end; key++)
        {
            var place = parts.KeyPositions[first + key];
            scores[key] -= slope * Math.Abs(isFar ? parts.Reach.FarDistanceOf(position, place) : position - place);
        }
    }
}
