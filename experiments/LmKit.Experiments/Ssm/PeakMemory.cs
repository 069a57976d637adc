using System.Runtime.InteropServices;

namespace LmKit.Experiments;

/// <summary>The most memory that a piece of work held beside what was there before, by the kernel's resident high-water mark.</summary>
internal static partial class PeakMemory
{
    private const string ResetHighWaterMark = "5"; // proc(5), clear_refs

    /// <summary>Bytes, or null where the operating system keeps no such mark.</summary>
    internal static long? Of(Action work)
    {
        if (!OperatingSystem.IsLinux())
        {
            work();
            return null;
        }
        GC.Collect();
        GC.WaitForPendingFinalizers();
        ReturnFreeMemory();
        File.WriteAllText("/proc/self/clear_refs", ResetHighWaterMark);
        var before = Resident("VmRSS:");
        work();
        return Math.Max(0, Resident("VmHWM:") - before);
    }

    private static long Resident(string entry)
    {
        var line = File.ReadLines("/proc/self/status").First(text => text.StartsWith(entry, StringComparison.Ordinal));
        return 1024 * long.Parse(line.AsSpan(entry.Length).Trim().TrimEnd(" kB"), System.Globalization.CultureInfo.InvariantCulture);
    }

    // Else what earlier work freed would be taken again without being seen.
    private static void ReturnFreeMemory()
    {
        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Not glibc: free memory stays, and the figure is a lower bound.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint kept);
}
