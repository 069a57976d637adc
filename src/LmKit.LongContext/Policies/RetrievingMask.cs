using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A Lambda mask whose queries attend to the k most fitting tokens of the middle as well (Han et al. 2024, appendix A.3).</summary>
/// <remarks>The middle of query i is M = { j : G &lt;= j &lt;= i - L }. Where it has k tokens or more, each query head takes those of the k largest scores
/// z_j of the query and key j at distance D_m (of equal ones the earlier), and they join the softmax with these scores; else none does. Layers
/// outside the range are plain Lambda masks. Nothing is forgotten, and a token costs time in proportion to the text.</remarks>
internal sealed class RetrievingMask : IAttentionMask, IMaskedAttention
{
    // Queries whose scores over the middle are in memory at a time.
    private const long TileLength = 64;

    private readonly LambdaMask lambda;
    private readonly MaskReach reach;
    private readonly int count;
    private readonly long distance;
    private readonly MiddleRows rows;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    internal RetrievingMask(LambdaMask lambda, TopKMiddleOptions options)
    {
        (this.lambda, reach, count, rows) = (lambda, ((IReachingMask)lambda).Reach, options.TopK, options.Rows);
        distance = options.InsertDistance ?? lambda.LocalLength / 2;
    }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    /// <inheritdoc/>
    public bool HasDenseForm => false;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    /// <summary>The mask of a layer under options that ask for the middle: a plain one outside the range of layers.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or the layer cannot have the mask.</exception>
    internal static IAttentionMask Of(LambdaMaskOptions options, LayerContext layer)
    {
        var lambda = new LambdaMask(options, layer);
        var middle = options.Middle!;
        Check(middle.TopK, 1, nameof(middle.TopK));
        Check(middle.InsertDistance ?? 0, 0, nameof(middle.InsertDistance));
        Check(middle.FromLayer, 0, nameof(middle.FromLayer));
        if (middle.FromLayer > middle.ToLayer)
            throw new ArgumentException($"{nameof(TopKMiddleOptions)}.{nameof(middle.FromLayer)} = {middle.FromLayer} is behind {nameof(middle.ToLayer)} = {middle.ToLayer}.", nameof(options));
        if (!Enum.IsDefined(middle.Rows))
            throw new ArgumentException($"{nameof(TopKMiddleOptions)}.{nameof(middle.Rows)} = {middle.Rows} is none of {string.Join(", ", Enum.GetNames<MiddleRows>())}.", nameof(options));
        return layer.LayerIndex >= middle.FromLayer && layer.LayerIndex < middle.ToLayer ? new RetrievingMask(lambda, middle) : lambda;

        static void Check(long value, long least, string name)
        {
            if (value < least)
                throw new ArgumentException($"{nameof(TopKMiddleOptions)}.{name} = {value} must be {least} or more.", nameof(options));
        }
    }

    /// <summary>Every earlier key: which ones of the middle count, depends on the numbers.</summary>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(RetrievingMask));
        using var i = queries.unsqueeze(-1);
        using var j = keys.unsqueeze(-2);
        return i.ge(j); // (..., L, M)
    }

    /// <inheritdoc/>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(this, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        using var scope = NewDisposeScope();
        if (input.Queries.numel() == 0 || input.Keys.size(2) == 0)
            return LambdaAttention.Attend(input, reach).MoveToOuterDisposeScope();
        var given = input.Queries.dtype;
        input = input.Widened().Decoded();
        var attended = input.QuerySegments is null ? Whole(input) : LambdaAttention.ByDocument(input, Whole);
        return attended.to(given).MoveToOuterDisposeScope();
    }

    /// <summary>The mask's name and its options.</summary>
    public override string ToString() => $"{lambda} with {nameof(LambdaMaskOptions.Middle)} ({nameof(TopKMiddleOptions.TopK)} = {count}, {nameof(TopKMiddleOptions.InsertDistance)} = {distance}, {nameof(TopKMiddleOptions.Rows)} = {rows})";

    // Rows that share their positions.
    private Tensor Whole(AttentionInput input)
    {
        using var scope = NewDisposeScope();
        var length = input.Queries.size(2);
        var plain = rows == MiddleRows.Last ? length - 1 : 0;
        var parts = new List<Tensor>();
        if (plain > 0)
            parts.Add(LambdaAttention.Attend(Narrow(input, 0, plain), reach));
        for (var start = plain; start < length; start += TileLength)
        {
            var (weights, values) = Weights(Narrow(input, start, Math.Min(TileLength, length - start)));
            var keyHeads = values.size(1);
            parts.Add(SharedHeads.Split(einsum("bhlm,bhmp->bhlp", SharedHeads.Join(weights, keyHeads), values), input.Queries.size(1)));
        }
        return cat(parts, 2).MoveToOuterDisposeScope();
    }

    private static AttentionInput Narrow(AttentionInput input, long start, long count) => input with
    {
        Queries = input.Queries.narrow(2, start, count),
        QueryPositions = input.QueryPositions.narrow(1, start, count),
    };

    // Weights (B, H, L, N) over far, near and middle keys, and the values (B, Hkv, N, P) that they belong to.
    private (Tensor Weights, Tensor Values) Weights(AttentionInput input)
    {
        var (heads, device) = (input.Queries.size(1), input.Queries.device);
        var (queries, keys) = (Positions(input.QueryPositions), Positions(input.KeyPositions));
        var ranges = KeyRanges.Of(queries, keys, reach) ?? throw new ArgumentException("Attention to the middle takes queries and keys in ascending order of positions.", nameof(input));
        var parts = LambdaParts.Of(input, reach, ranges, queries, keys);
        var (first, end, far) = (ranges.From[0], Math.Max(ranges.From[0], ranges.End[^1]), ranges.MostFar);
        var middle = Middle(keys, ranges);
        var scores = new List<Tensor>();
        if (far > 0)
            scores.Add(Scores(parts.FarQueries!, parts.FarKeys!, far, (query, key) => key < ranges.Far[query], (query, key) => reach.FarDistanceOf(queries[query], keys[key]), 0));
        scores.Add(Scores(parts.Queries, parts.Keys, end - first, (query, key) => key >= ranges.From[query] && key < ranges.End[query], (query, key) => queries[query] - keys[key], first));
        var columns = arange(first, end, ScalarType.Int64, device: device);
        columns = far > 0 ? cat([arange(0, far, ScalarType.Int64, device: device), columns]) : columns;
        if (middle.Count > 0)
        {
            var (q, k) = (input.Queries, input.Keys);
            if (input.Encoding is { } encoding)
                (q, k) = (encoding.EncodeQueries(q, full_like(input.QueryPositions, distance)), encoding.EncodeKeys(k.narrow(2, middle.First, middle.Count), zeros([1, middle.Count], ScalarType.Int64, device)));
            else
                k = k.narrow(2, middle.First, middle.Count);
            var all = Scores(q, k, middle.Count, (query, key) => key < ranges.From[query], (_, _) => distance, middle.First, isNarrow: true);
            scores.Add(Best(all, ranges, middle.First));
            columns = cat([columns, arange(middle.First, middle.First + middle.Count, ScalarType.Int64, device: device)]);
        }
        var joined = cat(scores, -1);
        var width = joined.size(-1);
        if (input.Sinks is { } sinks)
            joined = cat([joined, sinks.to(joined.dtype).view(1, heads, 1, 1).expand(joined.size(0), -1, joined.size(2), 1)], -1);
        return (joined.softmax(-1).narrow(-1, 0, width), input.Values.index_select(2, columns));

        // (B, H, L, keys): what is not seen is -infinity.
        Tensor Scores(Tensor q, Tensor k, long length, Func<int, int, bool> isSeen, Func<int, int, long> shown, int start, bool isNarrow = false)
        {
            var chosen = isNarrow || k.size(2) == length ? k : k.narrow(2, start, length);
            var raw = einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q * (1 / Math.Sqrt(q.size(3))), k.size(1)), chosen);
            var score = input.Cap(SharedHeads.Split(raw, heads));
            var (hidden, distances) = (new bool[queries.Length * length], new long[queries.Length * length]);
            for (var at = 0; at < hidden.Length; at++)
            {
                var (query, key) = ((int)(at / length), (int)(at % length) + start);
                hidden[at] = !isSeen(query, key);
                distances[at] = hidden[at] ? 0 : shown(query, key);
            }
            if (input.Encoding?.Bias(tensor(distances, [1, queries.Length, length], device: device), score.dtype) is { } bias)
                score += bias;
            return score.masked_fill(tensor(hidden, [1, 1, queries.Length, length], device: device), double.NegativeInfinity);
        }
    }

    // The keys of the middle of any query.
    private (int First, int Count) Middle(long[] keys, KeyRanges ranges)
    {
        var starts = 0;
        while (starts < keys.Length && keys[starts] < reach.Starts)
            starts++;
        return (starts, Math.Max(0, ranges.From[^1] - starts));
    }

    // Leaves the k largest of each query's scores, of equal ones the earlier; none where there are fewer than k.
    private Tensor Best(Tensor scores, KeyRanges ranges, int first)
    {
        var held = scores.size(-1);
        if (held < count)
            return full_like(scores, double.NegativeInfinity);
        var least = scores.detach().topk(count, -1).values.narrow(-1, count - 1, 1);
        var (above, equal) = (scores.gt(least), scores.eq(least));
        var room = count - above.sum(-1, keepdim: true);
        var chosen = above.logical_or(equal.logical_and(equal.to(ScalarType.Int64).cumsum(-1).le(room)));
        var isEnough = tensor(ranges.From.Select(from => from - first >= count).ToArray(), [1, 1, ranges.From.Length, 1], device: scores.device);
        return scores.masked_fill(chosen.logical_and(isEnough).logical_not(), double.NegativeInfinity);
    }

    private static long[] Positions(Tensor rows)
    {
        using var first = rows.select(0, 0);
        return HostValues.Read(first);
    }
}
