namespace LmKit;

/// <summary>Bits that a code of some active features takes: L0 (bits + log2 h).</summary>
public static class DescriptionLength
{
    /// <summary>The length in bits.</summary>
    /// <param name="activeCount">Active features in a row (L0).</param>
    /// <param name="bitsPerValue">Bits of one value; the authors take 7.</param>
    /// <param name="featureCount">Features h.</param>
    public static double Bits(double activeCount, double bitsPerValue, double featureCount) => activeCount * (bitsPerValue + Math.Log2(featureCount));
}
