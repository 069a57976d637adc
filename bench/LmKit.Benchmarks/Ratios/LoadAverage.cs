namespace LmKit.Benchmarks.Ratios;

/// <summary>How busy the machine is with everything, ours included: a figure without it cannot be judged.</summary>
internal static class LoadAverage
{
    private const string source = "/proc/loadavg";

    /// <summary>The averages over 1, 5 and 15 minutes, or a word where the system has none.</summary>
    internal static string Now() => File.Exists(source) ? string.Join(' ', File.ReadAllText(source).Split(' ').Take(3)) : "unknown";
}
