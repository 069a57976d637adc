using System.Collections.Concurrent;
using System.Numerics;

namespace LmKit;

/// <summary>The constants of a right-angle transform of one length, in the order in which the transform meets them.</summary>
/// <remarks>The polynomials modulo x^L - i are split depth first: a block modulo x^n - e^(i t) becomes four modulo
/// x^(n/4) - e^(i (t/4 + j pi/2)), or two where the leaves are no power of four away, or three or five at the top. A node keeps r, r^2
/// and r^3 with r = e^(i t/4) (or r = e^(i t/2)), a top of three or five every e^(i m (t + 2 j pi)/ways); a leaf of V^2 samples keeps
/// those of its passes, one set per block and then, once lanes are blocks, one set per lane. About 2 L numbers.</remarks>
internal sealed class RightAnglePlan
{
    private readonly List<float> constants = [];
    private readonly int lanes;

    internal RightAnglePlan(int lanes, int length)
    {
        this.lanes = lanes;
        Length = length;
        LeafLength = lanes * lanes;
        Ways = WaysOf(length, LeafLength);
        const double top = Math.PI / 2; // i = e^(i pi/2)
        if (Ways is not (3 or 5))
        {
            AddBlock(length, top);
        }
        else
        {
            AddDirect(top);
            for (var j = 0; j < Ways; j++)
                AddBlock(length / Ways, Child(top, j, Ways));
        }
        Constants = GC.AllocateUninitializedArray<float>(constants.Count, pinned: true);
        constants.CopyTo(Constants);
        constants = [];
    }

    /// <summary>Samples L: the leaf's length times a power of two, or three or five times that.</summary>
    internal int Length { get; }

    /// <summary>Samples of a leaf.</summary>
    internal int LeafLength { get; }

    /// <summary>Blocks of the first split: 2, 3, 4 or 5; 1 for a leaf alone.</summary>
    internal int Ways { get; }

    /// <summary>The constants; pinned.</summary>
    internal float[] Constants { get; }

    /// <summary>Blocks that a block of <paramref name="n"/> samples is split into.</summary>
    internal static int WaysOf(int n, int leafLength)
    {
        var leaves = n / leafLength;
        var powers = BitOperations.TrailingZeroCount(leaves);
        return leaves >> powers is var odd and > 1 ? odd : leaves == 1 ? 1 : (powers & 1) == 1 ? 2 : 4;
    }

    private void AddBlock(int n, double angle)
    {
        if (n == LeafLength)
        {
            AddLeaf(angle);
            return;
        }
        var ways = WaysOf(n, LeafLength);
        Add(ways, angle);
        for (var j = 0; j < ways; j++)
            AddBlock(n / ways, Child(angle, j, ways));
    }

    // Every power of every root: few of them, and no pattern pays.
    private void AddDirect(double angle)
    {
        for (var j = 0; j < Ways; j++)
        {
            for (var power = 0; power < Ways; power++)
            {
                constants.Add((float)Math.Cos(Child(angle, j, Ways) * power));
                constants.Add((float)Math.Sin(Child(angle, j, Ways) * power));
            }
        }
    }

    private void AddLeaf(double angle)
    {
        double[] angles = [angle];
        for (var n = LeafLength; n > lanes;)
        {
            var ways = n >= 4 * lanes ? 4 : 2;
            foreach (var block in angles)
                Add(ways, block);
            angles = [.. angles.SelectMany(block => Enumerable.Range(0, ways).Select(j => Child(block, j, ways)))];
            n /= ways;
        }
        // Lanes are the blocks now: each constant is a vector over them.
        double[][] perLane = [angles];
        for (var n = lanes; n > 1;)
        {
            var ways = n >= 4 ? 4 : 2;
            foreach (var block in perLane)
            {
                for (var power = 1; power < ways; power++)
                {
                    constants.AddRange(block.Select(lane => (float)Math.Cos(lane * power / ways)));
                    constants.AddRange(block.Select(lane => (float)Math.Sin(lane * power / ways)));
                }
            }
            perLane = [.. perLane.SelectMany(block => Enumerable.Range(0, ways).Select(j => block.Select(lane => Child(lane, j, ways)).ToArray()))];
            n /= ways;
        }
    }

    private void Add(int ways, double angle)
    {
        if (ways == 4)
            AddQuarter(angle);
        else
            AddPair(angle);
    }

    private void AddQuarter(double angle)
    {
        for (var power = 1; power < 4; power++)
        {
            constants.Add((float)Math.Cos(angle * power / 4));
            constants.Add((float)Math.Sin(angle * power / 4));
        }
    }

    private void AddPair(double angle)
    {
        constants.Add((float)Math.Cos(angle / 2));
        constants.Add((float)Math.Sin(angle / 2));
    }

    private static double Child(double angle, int j, int ways = 4) => angle / ways + 2 * Math.PI * j / ways;
}

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
