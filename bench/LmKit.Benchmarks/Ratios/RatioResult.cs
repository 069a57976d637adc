using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>What a case came to. A ratio is baseline time / our time: above 1, ours is faster.</summary>
internal sealed record RatioResult(string Name, bool IsTuned, CallTime Baseline, CallTime Ours, double Target)
{
    public double WallRatio => Baseline.Wall / Ours.Wall;

    public double CpuRatio => Baseline.Cpu / Ours.Cpu;

    /// <summary>True where the clock alone is held to the target: the sides differ in threads.</summary>
    public bool CountsWallOnly { get; init; }

    /// <summary>What is held to the target.</summary>
    public double LowestRatio => CountsWallOnly ? WallRatio : Math.Min(WallRatio, CpuRatio);

    /// <summary>Both ratios must reach the target: neither an idle second core nor a busy neighbour may carry a claim.</summary>
    public bool IsMet => LowestRatio >= Target;

    /// <summary>The one with the lowest ratio, by the clock or, where it counts, by processor time.</summary>
    internal static RatioResult LeastFavourable(IReadOnlyList<RatioResult> results) => results.MinBy(result => result.LowestRatio)!;

    /// <summary>NAME, wall ratio, CPU ratio, target, met or short, separated by tabs.</summary>
    internal string ToLine() =>
        string.Create(CultureInfo.InvariantCulture, $"{Name}{(IsTuned ? " [tuned malloc]" : "")}\t{WallRatio:0.00}\t{CpuRatio:0.00}\t{Target:0.00}\t{(IsMet ? "met" : "short")}");
}
