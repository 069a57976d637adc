using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>What a case of peak memory came to: bytes above those resident before the call. Above 1, ours needs less.</summary>
internal sealed record MemoryResult(string Name, long BaselineBytes, long OurBytes, double Target)
{
    internal double Ratio => (double)BaselineBytes / OurBytes;

    internal bool IsMet => Ratio >= Target;

    /// <summary>NAME, ratio, ratio, target, met or short, separated by tabs: as many fields as a line of times has.</summary>
    internal string ToLine() =>
        string.Create(CultureInfo.InvariantCulture, $"{Name} [peak memory]\t{Ratio:0.00}\t{Ratio:0.00}\t{Target:0.00}\t{(IsMet ? "met" : "short")}");
}
