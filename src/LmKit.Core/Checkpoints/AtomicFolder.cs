namespace LmKit;

/// <summary>Writes a folder so that a crash, a full disk or an error leaves the previous one whole.</summary>
/// <remarks>
/// The new folder is filled beside the old one under a random name, flushed, renamed to NAME.next (which says that it is
/// complete), and swapped in by two renames through NAME.previous. One writer at a time; a process that dies between the
/// two renames leaves NAME missing, which <see cref="Recover"/> repairs: call it before reading.
/// </remarks>
public static class AtomicFolder
{
    private const string Filling = ".filling-";
    private const string Complete = ".next";
    private const string Previous = ".previous";

    /// <summary>Fills a fresh folder through <paramref name="fill"/> and puts it in the place of <paramref name="path"/>.</summary>
    public static void Write(string path, Action<string> fill)
    {
        ArgumentNullException.ThrowIfNull(fill);
        path = Trim(path);
        Recover(path);
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var filling = path + Filling + Path.GetRandomFileName();
        try
        {
            _ = Directory.CreateDirectory(filling);
            fill(filling);
            FlushToDisk(filling);
            Directory.Move(filling, path + Complete);
        }
        catch
        {
            Remove(filling);
            throw;
        }
        if (Directory.Exists(path))
        {
            Directory.Move(path, path + Previous);
        }
        Directory.Move(path + Complete, path);
        Remove(path + Previous);
    }

    /// <summary>Finishes or undoes a swap that was interrupted, and removes what it left; does nothing otherwise.</summary>
    public static void Recover(string path)
    {
        path = Trim(path);
        if (!Directory.Exists(path))
        {
            var heir = Directory.Exists(path + Complete) ? path + Complete : path + Previous;
            if (Directory.Exists(heir))
            {
                Directory.Move(heir, path);
            }
        }
        Remove(path + Complete);
        Remove(path + Previous);
        if (Path.GetDirectoryName(path) is { } parent && Directory.Exists(parent))
        {
            foreach (var leftover in Directory.EnumerateDirectories(parent, Path.GetFileName(path) + Filling + "*"))
            {
                Remove(leftover);
            }
        }
    }

    private static string Trim(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void FlushToDisk(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite);
            stream.Flush(flushToDisk: true);
        }
    }
}
