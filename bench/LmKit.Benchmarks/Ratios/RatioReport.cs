using System.Text.Json;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The figures as JSON, for tables and for comparing runs.</summary>
internal sealed record RatioReport(string LoadAverage, int Threads, string Processor, IReadOnlyList<RatioReport.Entry> Results)
{
    private static readonly JsonSerializerOptions _layout = new() { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

    public static RatioReport Of(IEnumerable<RatioResult> results, string loadAverage, int threads) =>
        new(loadAverage, threads, $"{System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} processors", [.. results.Select(Entry.Of)]);

    public static RatioReport Read(string path) =>
        JsonSerializer.Deserialize<RatioReport>(File.ReadAllText(path), _layout) ?? throw new InvalidDataException($"{path} holds no report.");

    public RatioReport Joined(RatioReport other) => this with { Results = [.. Results, .. other.Results] };

    public void Write(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, _layout));

    /// <summary>One case; times in milliseconds a call.</summary>
    internal sealed record Entry(string Name, string Allocator, double WallRatio, double CpuRatio, double Target, bool Met, double BaselineMilliseconds, double OursMilliseconds)
    {
        public static Entry Of(RatioResult result) =>
            new(result.Name, result.IsTuned ? "tuned" : "default", result.WallRatio, result.CpuRatio, result.Target, result.IsMet, result.Baseline.Wall * 1e3, result.Ours.Wall * 1e3);
    }
}
