namespace LmKit.Fuzz;

/// <summary>Folders for cases, in memory where the system has such a place.</summary>
internal static class Scratch
{
    internal static string Make()
    {
        const string inMemory = "/dev/shm";
        var parent = Directory.Exists(inMemory) ? inMemory : Path.GetTempPath();
        return Directory.CreateDirectory(Path.Combine(parent, $"lmkit-fuzz-{Environment.ProcessId}-{Guid.NewGuid():N}")).FullName;
    }
}
