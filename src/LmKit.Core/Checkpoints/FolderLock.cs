using System.Diagnostics;

namespace LmKit;

/// <summary>The right to change a folder: a file NAME.lmkit-lock, held open exclusively and removed at the end.</summary>
/// <remarks>The operating system frees it when its holder dies; the file that then stays is taken over by the next holder.</remarks>
internal sealed class FolderLock : IDisposable
{
    internal const string Mark = ".lmkit-lock";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string file;
    private readonly FileStream held;

    private FolderLock(string file, FileStream held) => (this.file, this.held) = (file, held);

    /// <summary>Waits for the lock.</summary>
    internal static FolderLock Take(string path)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (TryTake(path) is { } taken)
            {
                return taken;
            }
            if (clock.Elapsed > Patience)
            {
                throw new IOException($"{path} has another writer, who did not finish in {Patience.TotalSeconds:F0} s; wait for it or choose another folder.");
            }
            Thread.Sleep(5);
        }
    }

    /// <summary>The lock, or null while somebody else holds it.</summary>
    internal static FolderLock? TryTake(string path)
    {
        var file = path + Mark;
        FileStream held;
        try
        {
            held = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, OperatingSystem.IsWindows() ? FileOptions.DeleteOnClose : FileOptions.None);
        }
        catch (IOException error) when (error.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            return null; // EWOULDBLOCK of Linux and macOS, the sharing violation of Windows
        }
        // Its last holder may have removed the file between our opening and our locking it. A length that only we know shows
        // whether the name still means the file that we hold.
        held.SetLength(Random.Shared.Next(1, 1 << 20));
        var named = new FileInfo(file);
        if (named.Exists && named.Length == held.Length)
        {
            return new FolderLock(file, held);
        }
        held.Dispose();
        return null;
    }

    public void Dispose()
    {
        if (!OperatingSystem.IsWindows())
        {
            File.Delete(file);
        }
        held.Dispose();
    }
}
