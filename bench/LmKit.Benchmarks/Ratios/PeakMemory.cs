using System.Globalization;

namespace LmKit.Benchmarks.Ratios;

/// <summary>The highest resident memory of this process during a call, as Linux counts it.</summary>
internal static class PeakMemory
{
    private const string status = "/proc/self/status";
    private const string anonymous = "RssAnon:";
    private const string resetPeak = "5";

    /// <summary>Bytes above those resident before the call.</summary>
    internal static long Of(Action call)
    {
        Settle();
        File.WriteAllText("/proc/self/clear_refs", resetPeak);
        var before = Read("VmRSS:");
        call();
        return Read("VmHWM:") - before;
    }

    /// <summary>The same without pages of mapped files. Linux keeps no peak of these, so they are looked at all the time.</summary>
    internal static long OfAnonymous(Action call)
    {
        Settle();
        var before = Read(anonymous);
        var (peak, isOver) = (before, false);
        var watcher = new Thread(() =>
        {
            while (!Volatile.Read(ref isOver))
                peak = Math.Max(peak, Read(anonymous));
        });
        watcher.Start();
        call();
        Volatile.Write(ref isOver, true);
        watcher.Join();
        return peak - before;
    }

    // What the collector would give back during the call would be taken from its figure, so it gives it back before.
    private static void Settle()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
    }

    private static long Read(string name)
    {
        var line = File.ReadLines(status).First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture); // "VmRSS:  123 kB"
    }
}
