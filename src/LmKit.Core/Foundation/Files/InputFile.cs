using System.Formats.Tar;
using System.IO.MemoryMappedFiles;

namespace LmKit;

/// <summary>Opens files that others made: what is no plain file is refused before it is opened, where a pipe would wait for ever.</summary>
internal static class InputFile
{
    private const long LongestPointer = 1024;

    /// <summary>Makes a reader's own exception of a fault.</summary>
    /// <param name="problem">What is wrong with the file.</param>
    /// <param name="cause">The cause, where there is one.</param>
    internal delegate Exception Refusal(string problem, Exception? cause);

    /// <summary>What keeps a path from being read as a file, or null.</summary>
    internal static string? Fault(string path)
    {
        if (Directory.Exists(path))
            return "it is a folder; a file is needed";
        if (!File.Exists(path))
            return "there is no such file";
        if (Target(path) is not { } file)
            return "it is a link that leads to itself";
        if (!file.Exists)
            return $"it is a link to {file.FullName}, which is not there";
        // What is longer than nothing is a plain file; pipes and devices have no length.
        if (file.Length == 0)
            return IsPlain(file.FullName) ? null : "it is no plain file but a pipe, a socket or a device";
        return file.Length <= LongestPointer && IsPointer(file.FullName)
            ? "it is a pointer of Git LFS to the file, not the file itself, so the download is not complete; run 'git lfs pull' in the folder, or download the file by itself"
            : null;
    }

    /// <summary>Opens a file to read; one that is not there gives a <see cref="FileNotFoundException"/>.</summary>
    internal static FileStream Open(string path, Refusal refuse, int bufferSize = 1 << 16)
    {
        Check(path, refuse);
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize, FileOptions.SequentialScan);
        }
        catch (UnauthorizedAccessException error)
        {
            throw refuse("it may not be read: permission is denied", error);
        }
    }

    /// <summary>Reads a file whole, at most <paramref name="most"/> bytes of it; a longer one is refused unread.</summary>
    internal static byte[] ReadAll(string path, long most, Refusal refuse)
    {
        using var stream = Open(path, refuse, bufferSize: 0);
        if (stream.Length > most)
            throw refuse($"it has {stream.Length} bytes; at most {most} are read of such a file", null);
        var bytes = new byte[stream.Length];
        var count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return count == bytes.Length ? bytes : bytes[..count];
    }

    /// <summary>Refuses what is no plain file.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    internal static void Check(string path, Refusal refuse)
    {
        if (Fault(path) is not { } fault)
            return;
        throw Directory.Exists(path) || File.Exists(path) ? refuse(fault, null) : new FileNotFoundException($"{path}: {fault}.", path);
    }

    /// <summary>Whether a file could not be opened because somebody else holds it: EWOULDBLOCK of Linux and macOS, the sharing violation
    /// of Windows.</summary>
    internal static bool IsHeldElsewhere(IOException error) => error.HResult is 11 or 35 or unchecked((int)0x80070020);

    // Git LFS leaves a short text where it has not fetched a file.
    private static bool IsPointer(string path)
    {
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            var start = "version https://git-lfs.github.com/spec/"u8;
            Span<byte> found = stackalloc byte[start.Length];
            return stream.ReadAtLeast(found, found.Length, throwOnEndOfStream: false) == found.Length && found.SequenceEqual(start);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false; // opening it says why
        }
    }

    // Null where links lead in a circle.
    private static FileInfo? Target(string path)
    {
        var file = new FileInfo(path);
        try
        {
            return file.LinkTarget is not null && file.ResolveLinkTarget(returnFinalTarget: true) is { } target ? new FileInfo(target.FullName) : file;
        }
        catch (IOException)
        {
            return null;
        }
    }

    // An archive says what each of its entries is, and opens none but plain files to say so.
    private static bool IsPlain(string path)
    {
        using var archive = new MemoryStream();
        try
        {
            using (var writer = new TarWriter(archive, leaveOpen: true))
                writer.WriteEntry(path, "entry");
            archive.Position = 0;
            using var reader = new TarReader(archive);
            return reader.GetNextEntry()?.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile;
        }
        catch (UnauthorizedAccessException)
        {
            return true; // a plain file that may not be read: opening it says so
        }
        catch (IOException)
        {
            return false; // a socket has no place in an archive
        }
    }
}

/// <summary>A file's bytes as memory that is read from the disk where it is touched.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;

    /// <summary>Maps a file that is open and not empty; the stream may be closed afterwards.</summary>
    internal MappedFile(FileStream stream)
    {
        Length = stream.Length;
        file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        try
        {
            view = file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
            byte* pointer = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
            Start = pointer + view.PointerOffset;
        }
        catch
        {
            view?.Dispose();
            file.Dispose();
            throw;
        }
    }

    internal long Length { get; }

    /// <summary>The first byte; until this is disposed.</summary>
    internal byte* Start { get; private set; }

    internal bool IsClosed => Start is null;

    public void Dispose()
    {
        if (IsClosed)
            return;
        Start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
    }
}

/// <summary>Lines of a file as bytes, each at most once in memory; one that is too long is refused unread.</summary>
internal static class FileLines
{
    private const int ReadLength = 1 << 16;

    /// <summary>The lines from where the file stands, without their ends; the last may lack its end.</summary>
    /// <param name="file">The file, without a buffer of its own.</param>
    /// <param name="longest">Bytes of the longest line that is read.</param>
    /// <param name="refuse">Makes the exception for a longer one, by its number from 1.</param>
    internal static IEnumerable<(byte[] Bytes, bool IsWhole)> Read(FileStream file, long longest, Func<int, Exception> refuse)
    {
        var buffer = new byte[ReadLength];
        var (start, position, number) = (file.Position, file.Position, 1);
        while (true)
        {
            file.Position = position;
            var count = file.Read(buffer);
            if (count == 0)
                break;
            for (var at = 0; at < count;)
            {
                var length = buffer.AsSpan(at, count - at).IndexOf((byte)'\n');
                if (length < 0)
                    break;
                var end = position + at + length;
                if (end - start > longest)
                    throw refuse(number);
                yield return (start >= position ? buffer[(int)(start - position)..(at + length)] : Line(file, start, end), true);
                (start, at, number) = (end + 1, at + length + 1, number + 1);
            }
            position += count;
            if (position - start > longest)
                throw refuse(number);
        }
        if (position > start)
            yield return (Line(file, start, position), false);
    }

    private static byte[] Line(FileStream file, long start, long end)
    {
        var line = new byte[end - start];
        file.Position = start;
        file.ReadExactly(line);
        return line;
    }
}
