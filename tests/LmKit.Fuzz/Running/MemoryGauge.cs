using System.Globalization;

namespace LmKit.Fuzz;

/// <summary>The most memory that this process held since a moment, above what it held then.</summary>
/// <remarks>Linux keeps a high-water mark that a process may set back; where it may not, the mark counts from the process's start, and
/// only growth beyond it is seen. Elsewhere the working set is compared.</remarks>
internal readonly struct MemoryGauge
{
    private const string Status = "/proc/self/status";
    private const string Reset = "/proc/self/clear_refs";

    private readonly long start;

    private MemoryGauge(long start) => this.start = start;

    internal static MemoryGauge Start()
    {
        if (!File.Exists(Status))
            return new MemoryGauge(Environment.WorkingSet);
        try
        {
            File.WriteAllText(Reset, "5");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return new MemoryGauge(Read("VmHWM:"));
        }
        return new MemoryGauge(Read("VmRSS:"));
    }

    internal long Peak() => Math.Max(0, (File.Exists(Status) ? Read("VmHWM:") : Environment.WorkingSet) - start);

    /// <summary>Memory that a process holds now.</summary>
    internal static long Held(int process)
    {
        try
        {
            return Read("VmRSS:", $"/proc/{process}/status");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return 0; // it has ended, or this is no Linux
        }
    }

    private static long Read(string name, string path = Status)
    {
        foreach (var line in File.ReadLines(path))
        {
            if (line.StartsWith(name, StringComparison.Ordinal))
                return 1024 * long.Parse(line.AsSpan(name.Length).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
        }
        return 0;
    }
}
