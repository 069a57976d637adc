namespace LmKit;

/// <summary>What the attention of a layer did in a bucket of positions; every figure is over all texts, heads and queries there.</summary>
/// <param name="Layer">The layer, from 0.</param>
/// <param name="From">The bucket's first position.</param>
/// <param name="To">Where it ends; null for the last one, which is open.</param>
/// <param name="LargestLogit">The largest score that entered a softmax: a maximum over heads, queries and keys.</param>
/// <param name="LargestMagnitude">The largest absolute value of one, B.</param>
/// <param name="MeanEntropy">The mean entropy of a query's weights in nats.</param>
/// <param name="LeastSlack">The least that a query's entropy is over its bound ln n - 2 B, n its scores and B the largest absolute value of
/// them (Han et al. 2024, propositions 1 and 2). Below 0 no softmax can be.</param>
/// <param name="StartMass">The mean weight on the text's starting tokens.</param>
/// <param name="KeyCount">The mean number of keys that a query attends to, sinks not counted.</param>
/// <param name="RowCount">Rows that this is over: queries times heads times texts.</param>
public sealed record AttentionFigures(int Layer, long From, long? To, double LargestLogit, double LargestMagnitude, double MeanEntropy, double LeastSlack, double StartMass, double KeyCount, long RowCount)
{
    // Of sums in float64 of scores that were computed in float32.
    private const double Rounding = 1e-6;

    /// <summary>The positions, such as <c>64-127</c>.</summary>
    public string Name => LengthBucket.NameOf(From, To);

    /// <summary>Whether every row's entropy is at least ln n - 2 B, up to rounding.</summary>
    public bool KeepsEntropyLaw => LeastSlack >= -Rounding * (1 + LargestMagnitude);
}

/// <summary>Sums of what <see cref="AttentionFigures"/> tells.</summary>
internal sealed class AttentionSums
{
    private double largestLogit = double.NegativeInfinity;
    private double largestMagnitude;
    private double entropy;
    private double leastSlack = double.PositiveInfinity;
    private double startMass;
    private double keys;
    private long rows;

    internal void Add(AttentionRows read)
    {
        largestLogit = Math.Max(largestLogit, read.LargestLogit);
        largestMagnitude = Math.Max(largestMagnitude, read.LargestMagnitude);
        leastSlack = Math.Min(leastSlack, read.LeastSlack);
        (entropy, startMass, keys, rows) = (entropy + read.Entropy, startMass + read.StartMass, keys + read.Keys, rows + read.Count);
    }

    internal AttentionFigures Figures(int layer, long from, long? to) =>
        new(layer, from, to, largestLogit, largestMagnitude, entropy / rows, leastSlack, startMass / rows, keys / rows, rows);
}
