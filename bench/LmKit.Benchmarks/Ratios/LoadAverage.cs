namespace LmKit.Benchmarks.Ratios;

/// <summary>How busy the machine is with everything, ours included: a figure without it cannot be judged.</summary>
internal static class LoadAverage
{
    private const string _source = "/proc/loadavg";

    /// <summary>The averages over 1, 5 and 15 minutes, or a word where the system has none.</summary>
    public static string Now() => File.Exists(_source) ? string.Join(' ', File.ReadAllText(_source).Split(' ').Take(3)) : "unknown";
}
