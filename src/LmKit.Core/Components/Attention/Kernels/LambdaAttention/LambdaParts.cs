using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which keys each query sees, as ranges of their indices; every number grows from query to query.</summary>
/// <param name="From">The first near key.</param>
/// <param name="End">Behind the last near key.</param>
/// <param name="Far">How many of the first keys are seen as far ones.</param>
internal sealed record KeyRanges(int[] From, int[] End, int[] Far)
{
    /// <summary>Far keys of any query.</summary>
    internal int MostFar => Far.Length == 0 ? 0 : Far[^1];

    /// <summary>The ranges for positions in ascending order; null for any other order.</summary>
    internal static KeyRanges? Of(ReadOnlySpan<long> queries, ReadOnlySpan<long> keys, MaskReach reach)
    {
        if (!IsAscending(queries) || !IsAscending(keys))
            return null;
        var starts = 0;
        while (starts < keys.Length && keys[starts] < reach.Starts)
            starts++;
        var (from, end, far) = (new int[queries.Length], new int[queries.Length], new int[queries.Length]);
        for (int query = 0, first = 0, last = 0; query < queries.Length; query++)
        {
            while (last < keys.Length && keys[last] <= queries[query])
                last++;
            while (first < last && queries[query] - keys[first] >= reach.Window)
                first++;
            (from[query], end[query], far[query]) = (first, last, Math.Min(first, starts));
        }
        return new KeyRanges(from, end, far);
    }

    /// <summary>Whether no position is below the one before it.</summary>
    internal static bool IsAscending(ReadOnlySpan<long> positions)
    {
        for (var index = 1; index < positions.Length; index++)
        {
            if (positions[index] < positions[index - 1])
                return false;
        }
        return true;
    }
}

/// <summary>What attention through a window works on: queries and keys encoded for the near keys and, once more, for the far ones.</summary>
/// <param name="Queries">(B, H, L, P), at their own positions.</param>
/// <param name="Keys">(B, Hkv, M, P), likewise.</param>
/// <param name="Values">(B, Hkv, M, P).</param>
/// <param name="FarQueries">(B, H, L, P), or null where no query sees a far key.</param>
/// <param name="FarKeys">(B, Hkv, F, P), the first keys as far ones; null likewise.</param>
/// <param name="Ranges">What each query sees.</param>
/// <param name="QueryPositions">L positions.</param>
/// <param name="KeyPositions">M positions.</param>
/// <param name="Reach">The mask.</param>
/// <param name="Encoding">The encoding, for its biases; or null.</param>
/// <param name="SoftCap">The bound of the scores, or null.</param>
/// <param name="Sinks">(H), or null.</param>
internal sealed record LambdaParts(
    Tensor Queries,
    Tensor Keys,
    Tensor Values,
    Tensor? FarQueries,
    Tensor? FarKeys,
    KeyRanges Ranges,
    long[] QueryPositions,
    long[] KeyPositions,
    MaskReach Reach,
    PositionEncoding? Encoding,
    double? SoftCap,
    Tensor? Sinks)
{
    /// <summary>Encodes an input whose rows share their positions.</summary>
    internal static LambdaParts Of(AttentionInput input, MaskReach reach, KeyRanges ranges, long[] queries, long[] keys)
    {
        var (far, device) = (ranges.MostFar, input.Queries.device);
        var (q, k) = (input.EncodedQueries(), input.EncodedKeys());
        Tensor? farQueries = null, farKeys = null;
        if (far > 0)
        {
            var starts = input with { Keys = input.Keys.narrow(2, 0, far), KeyPositions = input.KeyPositions.narrow(1, 0, far) };
            var places = tensor(Array.ConvertAll(queries, query => reach.FarPosition(query, 0)), [1, queries.Length], device: device);
            farQueries = input.Encoding is null || reach.Far == FarDistance.True ? q : input.Encoding.EncodeQueries(input.Queries, places);
            farKeys = input.Encoding is null || reach.Far != FarDistance.Ceiling
                ? k.narrow(2, 0, far)
                : input.Encoding.EncodeKeys(starts.Decoded().Keys, zeros([1, far], ScalarType.Int64, device));
        }
        return new LambdaParts(q, k, input.Values, farQueries, farKeys, ranges, queries, keys, reach, input.Encoding, input.SoftCap, input.Sinks);
    }
}
