namespace LmKit;

/// <summary>The constants of a right-angle transform of one length, in the order in which the transform meets them.</summary>
/// <remarks>The polynomials modulo x^L - i are split depth first: a block modulo x^n - e^(i t) becomes four modulo
/// x^(n/4) - e^(i (t/4 + j pi/2)), or two at the top. A node keeps r, r^2 and r^3 with r = e^(i t/4) (or r = e^(i t/2)); a leaf of V^2
/// samples keeps those of its passes, one set per block and then, once lanes are blocks, one set per lane. About 2 L numbers.</remarks>
internal sealed class RightAnglePlan
{
    private readonly List<float> constants = [];
    private readonly int lanes;

    internal RightAnglePlan(int lanes, int length)
    {
        this.lanes = lanes;
        Length = length;
        LeafLength = lanes * lanes;
        HasPairSplit = (int.Log2(length / LeafLength) & 1) == 1;
        const double top = Math.PI / 2; // i = e^(i pi/2)
        if (HasPairSplit)
        {
            AddPair(top);
            AddBlock(length / 2, top / 2);
            AddBlock(length / 2, top / 2 + Math.PI);
        }
        else
        {
            AddBlock(length, top);
        }
        Constants = GC.AllocateUninitializedArray<float>(constants.Count, pinned: true);
        constants.CopyTo(Constants);
        constants = [];
    }

    /// <summary>Samples L: the leaf's length times a power of two.</summary>
    internal int Length { get; }

    /// <summary>Samples of a leaf.</summary>
    internal int LeafLength { get; }

    /// <summary>Whether the first split is into two.</summary>
    internal bool HasPairSplit { get; }

    /// <summary>The constants; pinned.</summary>
    internal float[] Constants { get; }

    private void AddBlock(int n, double angle)
    {
        if (n == LeafLength)
        {
            AddLeaf(angle);
            return;
        }
        AddQuarter(angle);
        for (var j = 0; j < 4; j++)
            AddBlock(n / 4, Child(angle, j));
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
