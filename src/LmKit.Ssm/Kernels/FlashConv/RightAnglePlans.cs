using System.Collections.Concurrent;

namespace LmKit;

/// <summary>The plans in use: short ones are kept, long ones only while they are the latest and together within a bound.</summary>
/// <remarks>A plan is made once, however many threads ask for it at the same time. One that is no longer kept lives on where it is
/// still used. Thread-safe.</remarks>
internal static class RightAnglePlans
{
    // Plans up to here take at most 2 MB each and 10 MB all together; no lock stands before them.
    private const int LongestShort = 1 << 18;

    // Samples of the long plans that are kept, 16 MB; the latest is kept in any case.
    private const long KeptSamples = 1L << 21;

    private static readonly ConcurrentDictionary<(int Lanes, int Length), Lazy<RightAnglePlan>> Short = new();
    private static readonly LinkedList<((int Lanes, int Length) Key, Lazy<RightAnglePlan> Plan)> Long = new(); // latest first
    private static readonly Lock Gate = new();

    /// <summary>The plan of the shortest length that holds so many samples.</summary>
    /// <param name="lanes">Numbers in a vector.</param>
    /// <param name="samples">How many.</param>
    /// <param name="isPowerOfTwo">Whether the length may be no other number: sequences are complex then.</param>
    internal static RightAnglePlan For(int lanes, long samples, bool isPowerOfTwo = false)
    {
        var length = (long)lanes * lanes;
        while (length < samples)
            length *= 2;
        if (!isPowerOfTwo && length / 8 * 5 >= samples && length / 8 >= lanes * lanes)
            length = length / 8 * 5;
        else if (!isPowerOfTwo && length / 4 * 3 >= samples && length / 4 >= lanes * lanes)
            length = length / 4 * 3;
        var key = (lanes, checked((int)length));
        return (length <= LongestShort ? Short.GetOrAdd(key, Make) : Latest(key)).Value;
    }

    private static Lazy<RightAnglePlan> Latest((int Lanes, int Length) key)
    {
        lock (Gate)
        {
            var node = Long.First;
            while (node is not null && node.Value.Key != key)
                node = node.Next;
            if (node is null)
                node = new((key, Make(key)));
            else
                Long.Remove(node);
            Long.AddFirst(node);
            while (Long.Count > 1 && Long.Sum(kept => (long)kept.Key.Length) > KeptSamples)
                Long.RemoveLast();
            return node.Value.Plan;
        }
    }

    private static Lazy<RightAnglePlan> Make((int Lanes, int Length) key) => new(() => new RightAnglePlan(key.Lanes, key.Length));
}
