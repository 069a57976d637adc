namespace LmKit;

/// <summary>Writes a file so that its name always shows either the whole old content or the whole new one.</summary>
/// <remarks>
/// The content goes to a file beside it (".lmkit-tmp-" and a random ending), is flushed to the disk, and takes the name by a
/// rename. A failed write removes its own file; the next write removes one that a killed process left behind. A name that is a
/// symbolic link stays one: the file it leads to is replaced. The new file has the old one's permissions.
/// </remarks>
public static class AtomicFile
{
    private const string Mark = ".lmkit-tmp-";

    /// <summary>Writes <paramref name="path"/> through <paramref name="write"/>; when that throws, the old file stays.</summary>
    public static void Write(string path, Action<Stream> write) => Write(path, write, Create);

    /// <summary>Writes a text file (UTF-8, no byte-order mark).</summary>
    public static void WriteText(string path, string text) => Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));

    internal static void Write(string path, Action<Stream> write, Func<string, Stream> create)
    {
        ArgumentNullException.ThrowIfNull(write);
        path = Path.GetFullPath(path);
        var file = new FileInfo(path);
        path = file.LinkTarget is null ? path : file.ResolveLinkTarget(returnFinalTarget: true)!.FullName;
        RemoveLeftovers(path);
        var temporary = path + Mark + Path.GetRandomFileName();
        try
        {
            using (var stream = create(temporary))
            {
                write(stream);
                stream.Flush();
                (stream as FileStream)?.Flush(flushToDisk: true);
            }
            if (!OperatingSystem.IsWindows() && File.Exists(path))
                File.SetUnixFileMode(temporary, File.GetUnixFileMode(path));
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    internal static FileStream Create(string path) => new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);

    private static void RemoveLeftovers(string path)
    {
        var start = Path.GetFileName(path) + Mark;
        foreach (var leftover in Directory.EnumerateFiles(Path.GetDirectoryName(path)!).Where(file => IsLeftover(Path.GetFileName(file), start)))
        {
            try
            {
                // A living writer holds its file exclusively, so only an orphan opens.
                new FileStream(leftover, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
                File.Delete(leftover);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                continue;
            }
        }
    }

    // The random ending has the form of Path.GetRandomFileName, so that a similar name of the user's own is let be.
    private static bool IsLeftover(string name, string start) =>
        name.StartsWith(start, StringComparison.Ordinal) && name[start.Length..] is { Length: 12 } ending && ending[8] == '.'
        && ending.Where((_, at) => at != 8).All(letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter));
}
