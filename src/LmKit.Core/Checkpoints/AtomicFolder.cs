namespace LmKit;

/// <summary>Writes a folder so that a crash, a full disk or an error leaves the previous one whole.</summary>
/// <remarks>
/// The new folder is filled beside the old one as NAME.lmkit-filling, flushed, renamed to NAME.lmkit-next (which says that it is
/// complete), and swapped in by two renames through NAME.lmkit-previous. All of it happens under a lock that a dead process
/// loses, so whatever a writer finds there is litter, which it removes. A process that dies between the two renames leaves
/// NAME missing, which <see cref="Recover"/> repairs: call it before reading.
/// </remarks>
public static class AtomicFolder
{
    private const string Filling = ".lmkit-filling";
    private const string Complete = ".lmkit-next";
    private const string Previous = ".lmkit-previous";
    private const int Attempts = 10;

    /// <summary>Fills a fresh folder through <paramref name="fill"/> and puts it in the place of <paramref name="path"/>.</summary>
    /// <exception cref="IOException">The disk fails, or another writer of the same folder does not finish within a minute.</exception>
    public static void Write(string path, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        path = Trim(path);
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var held = FolderLock.Take(path);
        CompleteSwap(path);
        RemoveLitter(path);
        try
        {
            _ = Directory.CreateDirectory(path + Filling);
            fill(path + Filling);
            FlushToDisk(path + Filling);
            Directory.Move(path + Filling, path + Complete);
        }
        catch
        {
            RemoveIfThere(path + Filling);
            throw;
        }
        if (Directory.Exists(path))
        {
            Directory.Move(path, path + Previous);
        }
        Directory.Move(path + Complete, path);
        RemoveIfThere(path + Previous);
    }

    /// <summary>Finishes a swap that left the folder missing; deletes nothing, and does nothing where the folder is there.</summary>
    /// <exception cref="IOException">A writer of the folder does not finish within a minute.</exception>
    public static void Recover(string path)
    {
        path = Trim(path);
        if (Directory.Exists(path) || Heir(path) is null)
        {
            return;
        }
        using var held = FolderLock.Take(path);
        CompleteSwap(path);
    }

    /// <summary>Reads a folder of several files; begins anew when a writer put another in its place meanwhile.</summary>
    /// <param name="path">The folder; a swap that was cut off is finished first.</param>
    /// <param name="read">Reads the files of the folder that it is given; may be called more than once.</param>
    /// <exception cref="IOException">The folder or a file of it is missing.</exception>
    public static T Read<T>(string path, Func<string, T> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        for (var attempt = 1; ; attempt++)
        {
            Recover(path);
            try
            {
                return read(path);
            }
            catch (IOException error) when (error is FileNotFoundException or DirectoryNotFoundException && attempt < Attempts)
            {
                Thread.Sleep(attempt);
            }
        }
    }

    /// <summary>Recovers every folder in <paramref name="parent"/> whose swap was interrupted.</summary>
    internal static void RecoverAll(string parent)
    {
        foreach (var path in Interrupted(parent))
        {
            Recover(path);
        }
    }

    /// <summary>Recovers and removes what dead writers left in <paramref name="parent"/>; living ones are let be.</summary>
    internal static void CleanAll(string parent)
    {
        foreach (var path in Interrupted(parent))
        {
            using var held = FolderLock.TryTake(path);
            if (held is not null)
            {
                CompleteSwap(path);
                RemoveLitter(path);
            }
        }
    }

    /// <summary>Deletes a folder so that a kill half-way leaves nothing under its name.</summary>
    internal static void Remove(string path)
    {
        path = Trim(path);
        using var held = FolderLock.Take(path);
        RemoveLitter(path);
        Directory.Move(path, path + Filling);
        RemoveIfThere(path + Filling);
    }

    private static string Trim(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static string? Heir(string path) => new[] { path + Complete, path + Previous }.FirstOrDefault(Directory.Exists);

    private static void CompleteSwap(string path)
    {
        if (!Directory.Exists(path) && Heir(path) is { } heir)
        {
            Directory.Move(heir, path);
        }
    }

    private static void RemoveLitter(string path)
    {
        RemoveIfThere(path + Filling);
        RemoveIfThere(path + Complete);
        RemoveIfThere(path + Previous);
    }

    private static void RemoveIfThere(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string[] Interrupted(string parent) => Directory.Exists(parent)
        ? [.. Directory.EnumerateFileSystemEntries(parent)
            .Select(entry => (Entry: entry, Mark: new[] { Filling, Complete, Previous, FolderLock.Mark }.FirstOrDefault(mark => entry.EndsWith(mark, StringComparison.Ordinal))))
            .Where(found => found.Mark is not null)
            .Select(found => found.Entry[..^found.Mark!.Length])
            .Distinct()]
        : [];

    private static void FlushToDisk(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite);
            stream.Flush(flushToDisk: true);
        }
    }
}
