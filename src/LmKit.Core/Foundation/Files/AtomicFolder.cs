using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace LmKit;

/// <summary>Writes files into a folder so that a crash, a full disk or an error leaves all the previous ones or all the new ones.</summary>
/// <remarks>
/// Only the files that a write makes are replaced. Whatever else the folder holds stays as it is: other files, folders, links, and the
/// folder itself, which may be the current directory, a mount point or lie behind a symbolic link. The new files are made in a work
/// folder (<c>.lmkit-save</c>, inside the folder or, for a new one, beside it) under a lock that a dead process loses. They are flushed,
/// marked as complete by one rename, and moved to their places; a folder that is not there yet appears by one rename.
/// <see cref="Read{T}(string, Func{string, T})"/> never sees a part of it, and finishes what a process that died between marking and moving left.
/// </remarks>
internal static class AtomicFolder
{
    private const string Mark = ".lmkit-save";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PatienceWithoutRights = TimeSpan.FromSeconds(10);

    /// <summary>Makes files through <paramref name="fill"/> and puts them into the folder <paramref name="path"/>.</summary>
    /// <param name="path">The folder; made when it is not there.</param>
    /// <param name="fill">Writes files into the empty folder that it is given.</param>
    /// <exception cref="IOException">The disk fails, the place cannot be written, a folder stands where a file belongs, or another
    /// writer of the same folder does not finish within a minute. Nothing was changed.</exception>
    internal static void Write(string path, Action<string> fill) => Write(path, fill, null);

    /// <summary>The same with a look at the folder that is there, under the lock and before anything is made.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="fill">Writes files into the empty folder that it is given.</param>
    /// <param name="check">Looks at the folder and throws when its files are somebody else's.</param>
    /// <returns>The files that were written, relative to the folder.</returns>
    internal static string[] Write(string path, Action<string> fill, Action<string>? check)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(fill);
        path = Resolve(path);
        if (File.Exists(path))
            throw new IOException($"{path} is a file, so no folder can be saved there; choose another name.");
        if (!Directory.Exists(path))
            return WriteNew(path, fill, check);
        CleanWork(path, Beside(path));
        return WriteInto(path, work => FolderCommit.Fill(work, fill), check);
    }

    /// <summary>Finishes a write that was cut off after its files were complete; does nothing otherwise.</summary>
    /// <exception cref="IOException">A writer does not finish within a minute, or the folder cannot be written and its writer is gone.</exception>
    internal static void Recover(string path)
    {
        path = Resolve(path);
        for (var clock = Stopwatch.StartNew(); IsPending(path); Thread.Sleep(2))
        {
            var mayWrite = true;
            try
            {
                using var held = FolderLock.TryTake(Inside(path));
                if (held is not null)
                    FolderCommit.Finish(path, Inside(path));
            }
            catch (Exception error) when (error is UnauthorizedAccessException or IOException)
            {
                if (clock.Elapsed > PatienceWithoutRights && IsPending(path))
                    throw new IOException($"{path}: its last save was cut off when its files were complete in {Inside(path)}, and they cannot be moved to their places here ({error.Message}). Load the folder once where it can be written.", error);
                mayWrite = false;
            }
            if (mayWrite && clock.Elapsed > Patience)
                throw new IOException($"{path} has a writer that did not finish in {Patience.TotalSeconds:F0} s; wait for it.");
        }
    }

    /// <summary>Reads a folder of several files; begins anew when a writer changed them meanwhile.</summary>
    /// <param name="path">The folder; a write that was cut off is finished first.</param>
    /// <param name="read">Reads the files of the folder that it is given; may be called more than once. A result that is disposable and
    /// was read from files that changed is disposed.</param>
    /// <exception cref="IOException">The folder or a file of it is missing.</exception>
    internal static T Read<T>(string path, Func<string, T> read) => Read(path, null, read);

    /// <summary>The same where only some files of the folder matter.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="names">Files of which a save replaces at least one; null for all files in the folder.</param>
    /// <param name="read">Reads the files.</param>
    internal static T Read<T>(string path, string[]? names, Func<string, T> read)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(read);
        for (var clock = Stopwatch.StartNew(); ;)
        {
            Recover(path);
            var folder = Resolve(path);
            var before = FolderStamp.Of(folder, names);
            var result = default(T);
            ExceptionDispatchInfo? error = null;
            try
            {
                result = read(folder);
            }
            catch (Exception caught)
            {
                error = ExceptionDispatchInfo.Capture(caught);
            }
            // In this order: a writer that is still moving files is seen here, one that has ended by the files it moved.
            var isWhole = !IsPending(folder) && before == FolderStamp.Of(folder, names);
            if (isWhole || clock.Elapsed > Patience)
            {
                error?.Throw();
                return result!;
            }
            (result as IDisposable)?.Dispose();
        }
    }

    /// <summary>Finishes every cut-off write of a folder in <paramref name="parent"/>.</summary>
    internal static void RecoverAll(string parent)
    {
        foreach (var path in Children(parent))
            Recover(path);
    }

    /// <summary>Whether a write is being finished, or was cut off when its files were complete.</summary>
    internal static bool IsPending(string path) => FolderCommit.IsComplete(Inside(path)) && FolderLock.IsOurs(Inside(path));

    /// <summary>Finishes and removes what dead writers left in <paramref name="parent"/>; living ones are let be.</summary>
    internal static void CleanAll(string parent)
    {
        foreach (var path in Children(parent))
            CleanWork(path, path.EndsWith(Mark, StringComparison.Ordinal) ? path : Inside(path));
    }

    /// <summary>Deletes a folder so that a kill half-way leaves nothing under its name.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="own">The files, relative to it, that are known to be ours.</param>
    /// <returns>False when the folder holds anything else; nothing was deleted then.</returns>
    internal static bool Remove(string path, IReadOnlyCollection<string> own)
    {
        path = Resolve(path);
        if (HoldsMore(path, own))
            return false;
        var work = Beside(path);
        using var held = FolderLock.Take(work, path);
        FolderCommit.Clear(work);
        var leaving = FolderCommit.Filling(work);
        Directory.Move(path, leaving);
        if (HoldsMore(leaving, own))
        {
            Directory.Move(leaving, path); // somebody put a file there in this very moment
            return false;
        }
        FolderCommit.Clear(work);
        return true;
    }

    private static string[] WriteNew(string path, Action<string> fill, Action<string>? check)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        catch (Exception error) when (error is UnauthorizedAccessException or IOException)
        {
            throw new IOException($"{path} cannot be saved: {error.Message} Nothing was changed; choose a folder that can be written.", error);
        }
        var beside = Beside(path);
        using var held = FolderLock.Take(beside, path);
        FolderCommit.Clear(beside);
        try
        {
            var files = FolderCommit.Fill(beside, fill);
            FolderCommit.Reached("filled");
            if (FolderCommit.Appear(path, beside))
                return files;
            // Another writer was first; its folder takes these files like any other.
            return WriteInto(path, work => FolderCommit.TakeOver(beside, work), check);
        }
        catch
        {
            FolderCommit.Clear(beside);
            throw;
        }
    }

    private static string[] WriteInto(string path, Func<string, string[]> make, Action<string>? check)
    {
        var work = Inside(path);
        using var held = FolderLock.Take(work, path);
        FolderCommit.Finish(path, work);
        FolderCommit.Clear(work);
        check?.Invoke(path);
        try
        {
            var files = make(work);
            FolderCommit.Reached("filled");
            FolderCommit.Commit(path, work, files);
            return files;
        }
        catch when (!FolderCommit.IsComplete(work))
        {
            FolderCommit.Clear(work);
            throw;
        }
    }

    private static void CleanWork(string path, string work)
    {
        if (!FolderLock.IsOurs(work))
            return;
        try
        {
            using var held = FolderLock.TryTake(work);
            if (held is null)
                return;
            FolderCommit.Finish(path, work);
            FolderCommit.Clear(work);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // What cannot be cleaned now is cleaned another time.
        }
    }

    private static string Inside(string path) => Path.Combine(path, Mark);

    private static string Beside(string path) => path + Mark;

    private static bool HoldsMore(string folder, IReadOnlyCollection<string> own)
    {
        var known = own.SelectMany(Parents).ToHashSet(StringComparer.Ordinal);
        return Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Any(entry => !known.Contains(Path.GetRelativePath(folder, entry)));
    }

    private static IEnumerable<string> Parents(string file)
    {
        for (var name = file; !string.IsNullOrEmpty(name); name = Path.GetDirectoryName(name))
            yield return name;
    }

    private static string[] Children(string parent) => Directory.Exists(parent) ? Directory.GetDirectories(parent) : [];

    // A link to a folder that is not there is followed too.
    private static string Resolve(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var folder = new DirectoryInfo(path);
        return folder.LinkTarget is null ? path : Path.TrimEndingDirectorySeparator(folder.ResolveLinkTarget(returnFinalTarget: true)!.FullName);
    }
}
