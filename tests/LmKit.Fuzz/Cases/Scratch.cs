using System.Diagnostics;

namespace LmKit.Fuzz;

/// <summary>Folders for cases, in memory where the system has such a place.</summary>
internal static class Scratch
{
    private const string InMemory = "/dev/shm";
    private const string Mark = "lmkit-fuzz-";

    private static string Parent { get; } = Directory.Exists(InMemory) ? InMemory : Path.GetTempPath();

    internal static string Make() => Directory.CreateDirectory(Path.Combine(Parent, $"{Mark}{Environment.ProcessId}-{Guid.NewGuid():N}")).FullName;

    /// <summary>Removes what processes left that were ended before they could.</summary>
    internal static void Clean()
    {
        foreach (var folder in Directory.EnumerateDirectories(Parent, Mark + "*"))
        {
            if (int.TryParse(Path.GetFileName(folder).Split('-')[2], out var process) && !IsRunning(process))
                Directory.Delete(folder, recursive: true);
        }
    }

    internal static bool IsRunning(int process)
    {
        try
        {
            using var found = Process.GetProcessById(process);
            return !found.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
