using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>What a case came to. A ratio is baseline time / our time: above 1, ours is faster.</summary>
internal sealed record RatioResult(string Name, bool IsTuned, CallTime Baseline, CallTime Ours, double Target)
{
    public double WallRatio => Baseline.Wall / Ours.Wall;

    public double CpuRatio => Baseline.Cpu / Ours.Cpu;

    /// <summary>Both ratios must reach the target: neither an idle second core nor a busy neighbour may carry a claim.</summary>
    public bool IsMet => Math.Min(WallRatio, CpuRatio) >= Target;

    /// <summary>The one with the lowest ratio, by the clock or by processor time.</summary>
    public static RatioResult LeastFavourable(IReadOnlyList<RatioResult> results) => results.MinBy(result => Math.Min(result.WallRatio, result.CpuRatio))!;

    /// <summary>NAME, wall ratio, CPU ratio, target, met or short, separated by tabs.</summary>
    public string ToLine() =>
        string.Create(CultureInfo.InvariantCulture, $"{Name}{(IsTuned ? " [tuned malloc]" : "")}\t{WallRatio:0.00}\t{CpuRatio:0.00}\t{Target:0.00}\t{(IsMet ? "met" : "short")}");
}
