using System.Runtime.InteropServices;
using System.Text.Json;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The figures as JSON, for tables and for comparing runs.</summary>
internal sealed record RatioReport(string LoadAverage, int Threads, string Processor, IReadOnlyList<RatioReport.Entry> Results, IReadOnlyList<RatioReport.MemoryEntry> Memory)
{
    private static readonly JsonSerializerOptions layout = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    internal static RatioReport Of(IEnumerable<RatioResult> times, IEnumerable<MemoryResult> memory, string loadAverage, int threads) => new(
        loadAverage,
        threads,
        OwnProcessor,
        [.. times.Select(Entry.Of)],
        [.. memory.Select(MemoryEntry.Of)]);

    /// <summary>What figures must share to stand in one table.</summary>
    internal static string Machine(int threads) => $"{OwnProcessor}, {threads} thread(s)";

    private static string OwnProcessor => $"{RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} processors, kernels of {SimdWidth.Bits} bits";

    internal void Write(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, layout));

    /// <summary>One case with one allocator; times in milliseconds a call.</summary>
    internal sealed record Entry(string Name, string Allocator, double WallRatio, double CpuRatio, double Target, bool Met, double BaselineMilliseconds, double OursMilliseconds)
    {
        internal static Entry Of(RatioResult result) =>
            new(result.Name, result.IsTuned ? "tuned" : "default", result.WallRatio, result.CpuRatio, result.Target, result.IsMet, result.Baseline.Wall * 1e3, result.Ours.Wall * 1e3);
    }

    /// <summary>One case of peak memory.</summary>
    internal sealed record MemoryEntry(string Name, double Ratio, double Target, bool Met, double BaselineMebibytes, double OursMebibytes)
    {
        internal static MemoryEntry Of(MemoryResult result) =>
            new(result.Name, result.Ratio, result.Target, result.IsMet, result.BaselineBytes / 1048576.0, result.OurBytes / 1048576.0);
    }
}
