using System.Diagnostics;

namespace LmKit;

/// <summary>The steps by which files made in a work folder come to their places, so that a kill between any two can be made good.</summary>
/// <remarks>The caller holds the work folder's lock. <c>filling</c> holds files that are not complete and may be thrown away;
/// <c>complete</c> holds files that must come to their places.</remarks>
internal static class FolderCommit
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Told the name of each step of this thread when it is done; tests throw or end the process there.</summary>
    [ThreadStatic]
    internal static Action<string>? Watcher;

    internal static string Filling(string work) => Path.Combine(work, "filling");

    private static string Complete(string work) => Path.Combine(work, "complete");

    internal static bool IsComplete(string work) => Directory.Exists(Complete(work));

    internal static void Reached(string step) => Watcher?.Invoke(step);

    /// <summary>Makes the files and flushes them to the disk; tells their names, relative to the folder.</summary>
    internal static string[] Fill(string work, Action<string> fill)
    {
        Directory.CreateDirectory(Filling(work));
        Reached("begun");
        fill(Filling(work));
        foreach (var file in Files(Filling(work)))
        {
            using var stream = new FileStream(Path.Combine(Filling(work), file), FileMode.Open, FileAccess.ReadWrite);
            stream.Flush(flushToDisk: true);
        }
        return Files(Filling(work));
    }

    /// <summary>Takes over files that were made and flushed in another work folder on the same disk.</summary>
    internal static string[] TakeOver(string other, string work)
    {
        Directory.Move(Filling(other), Filling(work));
        return Files(Filling(work));
    }

    /// <summary>Gives the files' folder its name; false when the name is taken.</summary>
    internal static bool Appear(string folder, string work)
    {
        if (Directory.Exists(folder))
            return false;
        try
        {
            Directory.Move(Filling(work), folder);
        }
        catch (IOException) when (Directory.Exists(folder))
        {
            return false;
        }
        Reached("appeared");
        return true;
    }

    /// <summary>Marks the files as complete and moves them into the folder.</summary>
    internal static void Commit(string folder, string work, string[] files)
    {
        CheckPlaces(folder, Filling(work));
        // A new name may find the disk full; a replacement needs no room. So the new ones go first and can be taken back.
        string[] ordered = [.. files.OrderBy(file => File.Exists(Path.Combine(folder, file)))];
        var added = files.Count(file => !File.Exists(Path.Combine(folder, file)));
        foreach (var file in files)
            Prepare(Path.Combine(Filling(work), file), Path.Combine(folder, file));
        Directory.Move(Filling(work), Complete(work));
        Reached("complete");
        var moved = 0;
        try
        {
            for (; moved < ordered.Length; moved++)
            {
                Place(Complete(work), folder, ordered[moved]);
                Reached("moved");
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && moved <= added)
        {
            foreach (var file in ordered[..moved])
                File.Move(Path.Combine(folder, file), Path.Combine(Complete(work), file));
            Directory.Move(Complete(work), Filling(work));
            throw new IOException($"{Path.Combine(folder, ordered[moved])} cannot be replaced ({error.Message}); nothing was changed.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{Path.Combine(folder, ordered[moved])} cannot be replaced now ({error.Message}); the new files are complete in {Complete(work)}, and the next load or save puts them in place.", error);
        }
        End(work);
    }

    /// <summary>Moves what is complete to its place; does nothing where nothing is.</summary>
    internal static void Finish(string folder, string work)
    {
        if (!IsComplete(work))
            return;
        CheckPlaces(folder, Complete(work));
        foreach (var file in Files(Complete(work)))
        {
            Place(Complete(work), folder, file);
            Reached("moved");
        }
        End(work);
    }

    /// <summary>Removes files that never became complete.</summary>
    internal static void Clear(string work)
    {
        if (Directory.Exists(Filling(work)))
            Directory.Delete(Filling(work), recursive: true);
    }

    private static void End(string work)
    {
        Reached("ended");
        Directory.Delete(Complete(work), recursive: true); // no file is left in it
        Reached("finished");
    }

    private static string[] Files(string folder) =>
        [.. Walk(new DirectoryInfo(folder)).Select(file => Path.GetRelativePath(folder, file)).Order(StringComparer.Ordinal)];

    // Never through a link: what stands behind it is somebody else's.
    private static IEnumerable<string> Walk(DirectoryInfo folder)
    {
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            if (entry is not DirectoryInfo inner)
            {
                yield return entry.FullName;
            }
            else if (inner.LinkTarget is { } target)
            {
                throw new IOException($"{inner.Name} in the files to be saved is a link to the folder {target}; a save writes files only. Make the link in the saved folder afterwards.");
            }
            else
            {
                foreach (var file in Walk(inner))
                    yield return file;
            }
        }
    }

    private static void CheckPlaces(string folder, string made)
    {
        foreach (var file in Files(made).Select(file => Path.Combine(folder, file)).Where(Directory.Exists))
            throw new IOException($"{file} is a folder where a file is to be saved; move it away or choose another folder.");
        foreach (var inner in Directory.EnumerateDirectories(made, "*", SearchOption.AllDirectories).Select(inner => Path.Combine(folder, Path.GetRelativePath(made, inner))).Where(File.Exists))
            throw new IOException($"{inner} is a file where a folder is to be saved; move it away or choose another folder.");
    }

    // The one who could read the old file can read the new one; its later time shows a reader that it is another.
    private static void Prepare(string made, string place)
    {
        if (!File.Exists(place))
            return;
        var old = File.GetLastWriteTimeUtc(place);
        if (File.GetLastWriteTimeUtc(made) <= old)
            File.SetLastWriteTimeUtc(made, old.AddMilliseconds(1));
        if (!OperatingSystem.IsWindows() && new FileInfo(place).LinkTarget is null)
            File.SetUnixFileMode(made, File.GetUnixFileMode(place));
    }

    // Windows lets nobody replace a file while it is read; readers of ours soon let go.
    private static void Place(string from, string folder, string file)
    {
        Reached("moving");
        var place = Path.Combine(folder, file);
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        for (var clock = Stopwatch.StartNew(); ;)
        {
            try
            {
                File.Move(Path.Combine(from, file), place, overwrite: true);
                return;
            }
            catch (Exception error) when (OperatingSystem.IsWindows() && error is IOException or UnauthorizedAccessException && clock.Elapsed < Patience)
            {
                Thread.Sleep(5);
            }
        }
    }
}
