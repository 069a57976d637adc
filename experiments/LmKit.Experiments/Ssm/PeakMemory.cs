using System.Runtime.InteropServices;

namespace LmKit.Experiments;

/// <summary>The most memory that a piece of work held beside what was there before, by the kernel's resident high-water mark.</summary>
internal static partial class PeakMemory
{
    private const string ResetHighWaterMark = "5"; // proc(5), clear_refs

    /// <summary>Bytes, or null where the operating system keeps no such mark or lets nobody reset it.</summary>
    internal static long? Of(Action work)
    {
        var before = Begin();
        work();
        return before is null || Resident("VmHWM:") is not { } highest ? null : Math.Max(0, highest - before.Value);
    }

    // What is held as the mark is reset.
    private static long? Begin()
    {
        if (!OperatingSystem.IsLinux())
            return null;
        GC.Collect();
        GC.WaitForPendingFinalizers();
        ReturnFreeMemory();
        try
        {
            File.WriteAllText("/proc/self/clear_refs", ResetHighWaterMark);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            return null;
        }
        return Resident("VmRSS:");
    }

    private static long? Resident(string entry)
    {
        try
        {
            var line = File.ReadLines("/proc/self/status").FirstOrDefault(text => text.StartsWith(entry, StringComparison.Ordinal));
            return line is null ? null : 1024 * long.Parse(line.AsSpan(entry.Length).Trim().TrimEnd(" kB"), System.Globalization.CultureInfo.InvariantCulture);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            return null;
        }
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
