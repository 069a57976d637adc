namespace LmKit.Fuzz;

/// <summary>What reading a file may cost beyond reading a small valid one.</summary>
internal static class ReadLimits
{
    /// <summary>Processor time.</summary>
    internal static readonly TimeSpan ProcessorTime = TimeSpan.FromSeconds(5);

    /// <summary>Time on the clock, for a reader that waits instead of working; long, for a busy machine.</summary>
    internal static readonly TimeSpan ClockTime = TimeSpan.FromMinutes(5);

    /// <summary>Memory above which a worker is stopped whatever it reads.</summary>
    internal const long MostMemory = 1L << 30;

    /// <summary>Bytes of memory for files of so many bytes.</summary>
    internal static long Memory(long fileBytes) => (64L << 20) + (4 * fileBytes);
}
