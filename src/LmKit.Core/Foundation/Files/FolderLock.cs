using System.Diagnostics;
using System.Globalization;

namespace LmKit;

/// <summary>The right to change a folder: a work folder with a file <c>lock</c> in it that is held open exclusively; both go at the end.</summary>
/// <remarks>The operating system frees the lock when its holder dies; what then stays is taken over by the next holder. The lock file is
/// made before and removed after everything else in the work folder, so a work folder without one is not ours.</remarks>
internal sealed class FolderLock : IDisposable
{
    private const string LockFile = "lock";
    private const int MostGone = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string work;
    private readonly FileStream held;

    private FolderLock(string work, FileStream held) => (this.work, this.held) = (work, held);

    /// <summary>Whether somebody of ours works there, or died at it.</summary>
    internal static bool IsOurs(string work) => File.Exists(Path.Combine(work, LockFile));

    /// <summary>Waits for the lock.</summary>
    /// <param name="work">The work folder.</param>
    /// <param name="target">The folder that is to be changed, for errors.</param>
    /// <exception cref="IOException">The place cannot be written, or its writer does not finish within a minute.</exception>
    internal static FolderLock Take(string work, string target)
    {
        var clock = Stopwatch.StartNew();
        for (var gone = 0; ;)
        {
            try
            {
                if (TryTake(work) is { } taken)
                    return taken;
            }
            catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException && gone < MostGone)
            {
                gone++; // its last holder removed it between two of our steps
            }
            catch (Exception error) when (error is UnauthorizedAccessException or IOException)
            {
                throw new IOException($"{target} cannot be saved: {work} cannot be made or opened ({error.Message}). Nothing was changed; choose a folder that can be written.", error);
            }
            if (clock.Elapsed > Patience)
                throw new IOException($"{target} has another writer, who did not finish in {Patience.TotalSeconds:F0} s; wait for it or choose another folder.");
            Thread.Sleep(5);
        }
    }

    /// <summary>The lock, or null while somebody else holds it.</summary>
    /// <exception cref="IOException">The place cannot be written, or holds what nobody of ours made. One that says that the place is not
    /// there may come from its last holder, who removes it.</exception>
    internal static FolderLock? TryTake(string work)
    {
        try
        {
            Directory.CreateDirectory(work);
            return Open(work, FileMode.CreateNew) ?? Open(work, FileMode.Open);
        }
        catch (IOException error) when (IsTaken(error) && !File.Exists(work))
        {
            return null; // its last holder removed it between two steps of making it
        }
        catch (IOException error) when (InputFile.IsHeldElsewhere(error))
        {
            return null;
        }
    }

    private static FolderLock? Open(string work, FileMode mode)
    {
        var file = Path.Combine(work, LockFile);
        FileStream held;
        try
        {
            held = new FileStream(file, mode, FileAccess.ReadWrite, FileShare.None, 1);
        }
        catch (IOException error) when (mode == FileMode.CreateNew && IsTaken(error))
        {
            return null;
        }
        // Its last holder may have removed the file between our opening and our locking it. A length that only we know shows
        // whether the name still means the file that we hold.
        held.SetLength(Random.Shared.Next(1, 1 << 16));
        var named = new FileInfo(file);
        if (!named.Exists || named.Length != held.Length)
        {
            held.Dispose();
            return null;
        }
        var taken = new FolderLock(work, held);
        // Whoever works here makes the lock first and removes it last, so beside a new one lies nothing of ours.
        if (mode == FileMode.CreateNew && Directory.EnumerateFileSystemEntries(work).FirstOrDefault(entry => Path.GetFileName(entry) != LockFile) is { } strange)
        {
            taken.Dispose();
            throw new IOException($"it holds '{Path.GetFileName(strange)}', which LmKit did not put there; move it away");
        }
        return taken;
    }

    private static bool IsTaken(IOException error) => error.HResult is 17 or unchecked((int)0x80070050) or unchecked((int)0x800700B7); // EEXIST and Windows's two words for it

    public void Dispose()
    {
        // Windows removes no open file; elsewhere the name goes first, so that nobody locks a file that is about to go.
        if (OperatingSystem.IsWindows())
            held.Dispose();
        try
        {
            File.Delete(Path.Combine(work, LockFile));
            Directory.Delete(work);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The next writer is in it already.
        }
        held.Dispose();
    }
}

/// <summary>What shows whether files of a folder were replaced: their names, lengths and times.</summary>
/// <remarks>A writer gives a file that replaces another a later time than that one had (<see cref="FolderCommit"/>).</remarks>
internal sealed class FolderStamp : IEquatable<FolderStamp>
{
    private readonly string files; // a line for each

    private FolderStamp(string files) => this.files = files;

    /// <summary>The state of some files, or of all that lie directly in the folder.</summary>
    internal static FolderStamp Of(string folder, string[]? names)
    {
        var found = names is not null ? Array.ConvertAll(names, name => new FileInfo(Path.Combine(folder, name)))
            : Directory.Exists(folder) ? new DirectoryInfo(folder).GetFiles()
            : [];
        var lines = Array.ConvertAll(found, Look);
        Array.Sort(lines, StringComparer.Ordinal);
        return new(string.Join('\n', lines));
    }

    public bool Equals(FolderStamp? other) => other is not null && files == other.files;

    public override bool Equals(object? obj) => Equals(obj as FolderStamp);

    public override int GetHashCode() => files.GetHashCode(StringComparison.Ordinal);

    public static bool operator ==(FolderStamp left, FolderStamp right) => left.Equals(right);

    public static bool operator !=(FolderStamp left, FolderStamp right) => !left.Equals(right);

    private static string Look(FileInfo file)
    {
        try
        {
            return file.Exists ? string.Create(CultureInfo.InvariantCulture, $"{file.Name}\0{file.Length} {file.LastWriteTimeUtc.Ticks}") : file.Name;
        }
        catch (FileNotFoundException)
        {
            return file.Name; // it went while we looked
        }
    }
}
