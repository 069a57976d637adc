using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One of several ways in which a mask shows keys: at other positions than their own.</summary>
/// <param name="Query">Positions of queries (B, L) int64 to those at which this view encodes them.</param>
/// <param name="Key">The same for keys (B, M); the distance shown is the difference.</param>
/// <param name="Applies">Positions of queries (B, T, 1) and keys (B, 1, M) to the pairs that are seen in this view (B, T, M); every pair that the
/// mask shows has one view.</param>
/// <param name="Keys">Positions of the first and last of some queries to those of the first and last key that may be seen in this view.</param>
internal sealed record DistanceView(Func<Tensor, Tensor> Query, Func<Tensor, Tensor> Key, Func<Tensor, Tensor, Tensor> Applies, Func<long, long, (long First, long Last)> Keys)
{
    /// <summary>Keys nearer than a number of tokens, at their true distance.</summary>
    internal static DistanceView Near(long window) => new(Own, Own, (i, j) => (i - j).lt(window), (first, last) => (first - window + 1, last));

    /// <summary>Where a token stands.</summary>
    internal static Tensor Own(Tensor positions) => positions.alias();
}

/// <summary>Attention to all earlier keys, each at the distance of its view, a tile of queries at a time.</summary>
internal static class ViewedAttention
{
    private const long TileLength = 128;

    /// <summary>Attends.</summary>
    /// <param name="input">Queries, keys and values of a call.</param>
    /// <param name="mask">The mask, which sees all earlier keys.</param>
    /// <param name="views">Its views.</param>
    /// <param name="plainLength">The length of text up to which it is plain causal attention.</param>
    /// <param name="lowered">By how much it lowers scores, from positions (B, T, 1) and (B, 1, M); null for not at all.</param>
    /// <returns>(B, H, L, P), in the caller's dispose scope; zero for a query that sees no key.</returns>
    /// <exception cref="ArgumentException">The tensors do not fit each other, or the encoding is not relative.</exception>
    internal static Tensor Attend(AttentionInput input, IAttentionMask mask, DistanceView[] views, long plainLength, Func<Tensor, Tensor, ScalarType, Tensor>? lowered = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(mask, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        if (input.Queries.numel() == 0 || input.Keys.size(2) == 0)
            return zeros_like(input.Queries);
        using var scope = NewDisposeScope();
        var given = input.Queries.dtype;
        input = input.Widened().Decoded();
        var keys = input.QuerySegments is null ? new OrderedKeys(input) : null;
        if (keys is not null && keys.LastQuery < plainLength)
            return DenseAttention.Attend(input, new CausalMask()).to(given).MoveToOuterDisposeScope();
        // Without an encoding of queries and keys all views have the same products.
        var parts = (input.Encoding is null or AlibiEncoding ? views[..1] : views).Select(view => Part.Of(input, view)).ToArray();
        var tiles = new List<Tensor>();
        for (long start = 0; start < input.Queries.size(2); start += TileLength)
            tiles.Add(new Tile(input, mask, views, lowered, start, Math.Min(TileLength, input.Queries.size(2) - start)).Attend(parts, keys));
        return (tiles.Count == 1 ? tiles[0] : cat(tiles, 2)).to(given).MoveToOuterDisposeScope();
    }

    /// <summary>All earlier keys and the query's own: (..., L, M) bool.</summary>
    /// <param name="queries">Positions (..., L) int64.</param>
    /// <param name="keys">Positions (..., M) int64.</param>
    /// <param name="mask">The mask's name, for errors.</param>
    internal static Tensor Causal(Tensor queries, Tensor keys, string mask)
    {
        AttentionInput.CheckPositions(queries, keys, mask);
        using var i = queries.unsqueeze(-1);
        using var j = keys.unsqueeze(-2);
        return i.ge(j);
    }

    // Queries (B, H, L, P) and keys (B, Hkv, M, P) as a view encodes them.
    private sealed record Part(DistanceView View, Tensor Queries, Tensor Keys)
    {
        internal static Part Of(AttentionInput input, DistanceView view) => input.Encoding is { } encoding
            ? new(view, encoding.EncodeQueries(input.Queries, view.Query(input.QueryPositions)), encoding.EncodeKeys(input.Keys, view.Key(input.KeyPositions)))
            : new(view, input.Queries, input.Keys);
    }

    // Positions of rows that agree.
    private sealed class OrderedKeys
    {
        private readonly long[] queries;
        private readonly long[] keys;
        private readonly bool isAscending;

        internal OrderedKeys(AttentionInput input)
        {
            using var ofQueries = input.QueryPositions.select(0, 0);
            using var ofKeys = input.KeyPositions.select(0, 0);
            (queries, keys) = (HostValues.Read(ofQueries), HostValues.Read(ofKeys));
            isAscending = IsAscending(queries) && IsAscending(keys);
        }

        internal long LastQuery => queries.Max();

        // The keys that some queries may see in a view.
        internal (long First, long End) Range(DistanceView view, long start, long count)
        {
            if (!isAscending)
                return (0, keys.Length);
            var (first, last) = view.Keys(queries[start], queries[start + count - 1]);
            var from = Before(first);
            return (from, Math.Max(from, Before(Math.Min(last, queries[start + count - 1]) + 1)));
        }

        private int Before(long position)
        {
            var at = Array.BinarySearch(keys, position);
            return at < 0 ? ~at : at;
        }

        private static bool IsAscending(long[] positions) => Enumerable.Range(1, Math.Max(0, positions.Length - 1)).All(index => positions[index] > positions[index - 1]);
    }

    private sealed record Tile(AttentionInput Input, IAttentionMask Mask, DistanceView[] Views, Func<Tensor, Tensor, ScalarType, Tensor>? Lowered, long Start, long Count)
    {
        internal Tensor Attend(Part[] parts, OrderedKeys? order)
        {
            using var scope = NewDisposeScope();
            var held = order is null ? Input.Keys.size(2) : Views.Max(view => order.Range(view, Start, Count).End);
            var own = Own(held);
            var (heads, keyHeads) = (Input.Queries.size(1), Input.Keys.size(1));
            var (i, j) = (own.QueryPositions.unsqueeze(-1), own.KeyPositions.unsqueeze(-2));
            if (order is not null)
                (i, j) = (i.narrow(0, 0, 1), j.narrow(0, 0, 1));
            Tensor? scores = null, distances = null;
            foreach (var part in parts)
            {
                var (first, end) = parts.Length == 1 || order is null ? (0, held) : order.Range(part.View, Start, Count);
                if (first >= end)
                    continue;
                var q = SharedHeads.Join(part.Queries.narrow(2, Start, Count) * (1 / Math.Sqrt(Input.Queries.size(3))), keyHeads);
                var products = nn.functional.pad(einsum("bhlp,bhmp->bhlm", q, part.Keys.narrow(2, first, end - first)), [first, held - end]);
                scores = scores is null ? products : where(Joined(part.View.Applies(i, j)), products, scores);
            }
            if (scores is null)
                return zeros_like(own.Queries).MoveToOuterDisposeScope();
            scores = Input.Cap(scores);
            if (Input.Encoding is { IsBiasFree: false } encoding)
            {
                foreach (var view in Views)
                {
                    var shown = view.Query(i) - view.Key(j);
                    distances = distances is null ? shown : where(view.Applies(i, j), shown, distances);
                }
                if (encoding.Bias(distances!, scores.dtype) is { } bias)
                    scores += SharedHeads.Join(bias, keyHeads);
            }
            if (Lowered is not null)
                scores -= Joined(Lowered(i, j, scores.dtype));
            var allowed = DenseAttention.AllowedChecked(own, Mask, out var blind)!;
            scores = scores.masked_fill(Joined(allowed.logical_not()), double.NegativeInfinity);
            if (Input.Sinks is { } sinks)
            {
                // One more column, whose weight is left out again.
                var column = sinks.to(scores.dtype).view(1, keyHeads, heads / keyHeads, 1, 1).expand(scores.size(0), -1, -1, Count, 1);
                scores = cat([scores, column.reshape(scores.size(0), keyHeads, -1, 1)], -1);
            }
            var weights = scores.softmax(-1).narrow(-1, 0, held);
            var attended = SharedHeads.Split(einsum("bhlm,bhmp->bhlp", weights, own.Values), heads);
            return (blind is null ? attended : attended.masked_fill(blind.unsqueeze(1), 0)).MoveToOuterDisposeScope();

            Tensor Joined(Tensor pairs) => SharedHeads.Repeat(pairs, heads / keyHeads).unsqueeze(1);
        }

        // The tile's queries and the first keys.
        private AttentionInput Own(long held) => Input with
        {
            Queries = Input.Queries.narrow(2, Start, Count),
            QueryPositions = Input.QueryPositions.narrow(1, Start, Count),
            QuerySegments = Input.QuerySegments?.narrow(1, Start, Count),
            Keys = Input.Keys.narrow(2, 0, held),
            Values = Input.Values.narrow(2, 0, held),
            KeyPositions = Input.KeyPositions.narrow(1, 0, held),
            KeySegments = Input.KeySegments?.narrow(1, 0, held),
        };
    }
}
