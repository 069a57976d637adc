using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The positions of the keys that every row of a uniform batch holds, ascending, with gaps where a cache dropped some.</summary>
internal readonly struct HeldKeys
{
    private readonly long[] positions;

    internal HeldKeys(Tensor keyPositions) => positions = Host(keyPositions);

    internal long Count => positions.Length;

    internal long this[long index] => positions[index];

    /// <summary>Whether the positions ascend and end with those of the new tokens, which follow one another: what a cache holds.</summary>
    internal bool EndsWith(long[] queries)
    {
        if (!positions.AsSpan().EndsWith(queries) || queries[^1] - queries[0] != queries.Length - 1)
            return false;
        for (var index = 1; index < positions.Length; index++)
        {
            if (positions[index] <= positions[index - 1])
                return false;
        }
        return true;
    }

    /// <summary>How many keys stand before a position.</summary>
    internal long CountBefore(long position)
    {
        var index = Array.BinarySearch(positions, position);
        return index < 0 ? ~index : index;
    }

    /// <summary>The positions of one row (B, L) on the host.</summary>
    internal static long[] Host(Tensor rows)
    {
        using var first = rows.select(0, 0);
        return HostValues.Read(first);
    }
}
