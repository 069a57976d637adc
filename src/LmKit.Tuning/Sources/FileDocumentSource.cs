namespace LmKit;

/// <summary>Documents of files in their order, one after another; files that end in .gz are unpacked on the way.</summary>
/// <remarks>Reads lazily, holds one document at a time, and may be read as often as wanted. A document is named FILE#NUMBER, unless it
/// names itself; where two files have one name, as many of their folders as tell them apart stand before it (x/a.txt#0). Invalid UTF-8 becomes U+FFFD, a byte order mark is left out.</remarks>
public abstract class FileDocumentSource : IDocumentSource
{
    /// <summary>Documents of more bytes are passed over: 16 MiB, after unpacking; in a packed file of less than 12 MiB, of more than 4 MiB
    /// and the file's own length.</summary>
    public const int MaxDocumentBytes = 16 << 20;

    // What a packed file may hold in one document however small it is; each byte of the file adds one.
    private const int PackedDocumentBytes = 4 << 20;

    private readonly string[] paths;
    private readonly string[] names;

    private protected FileDocumentSource(IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        this.paths = [.. paths];
        foreach (var path in this.paths)
        {
            ArgumentException.ThrowIfNullOrEmpty(path, nameof(paths));
            if (InputFile.Fault(path) is { } fault)
                throw new DatasetException(path, $"{fault}.");
        }
        names = Names(this.paths);
    }

    /// <inheritdoc/>
    public IReadOnlyList<SourceFingerprint> Fingerprints => [.. paths.Select(SourceFingerprint.Of)];

    /// <inheritdoc/>
    public async IAsyncEnumerator<SourceDocument> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        var ordinal = 0L;
        foreach (var (path, name) in paths.Zip(names))
        {
            var number = 0;
            await foreach (var (id, text) in ReadAsync(path, cancellationToken).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                yield return new SourceDocument(ordinal++, id ?? $"{name}#{number}", text ?? "", IsTooLarge: text is null);
                number++;
            }
        }
    }

    /// <summary>The documents of a file: a name where it has one of its own, and the text, or null where it is too large.</summary>
    private protected abstract IAsyncEnumerable<(string? Id, string? Text)> ReadAsync(string path, CancellationToken cancellation);

    private static string[] Names(string[] paths)
    {
        string[][] parts = [.. paths.Select(path => Path.GetFullPath(path).Split(Path.DirectorySeparatorChar))];
        for (var depth = 1; ; depth++)
        {
            string[] names = [.. parts.Select(part => string.Join('/', part.TakeLast(depth)))];
            if (names.Distinct(StringComparer.Ordinal).Count() == names.Length)
                return names;
            if (parts.All(part => part.Length <= depth))
                throw new DatasetException(names.CountBy(name => name).First(pair => pair.Value > 1).Key, "the file is there twice; give each once.");
        }
    }

    /// <summary>Opens a file, unpacking one that is packed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="longest">Bytes of its longest document; a small packed file has no room for the longest of all.</param>
    private protected static Stream Open(string path, out int longest)
    {
        var file = OpenPlain(path);
        var isPacked = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase);
        if (isPacked && file.Length == 0)
        {
            file.Dispose();
            throw new DatasetException(path, "the file is empty, which no .gz file is. Fetch it again.");
        }
        longest = isPacked ? (int)Math.Min(MaxDocumentBytes, PackedDocumentBytes + file.Length) : MaxDocumentBytes;
        return isPacked ? new UnpackingStream(path, file) : file;
    }

    private protected static FileStream OpenPlain(string path)
    {
        try
        {
            return InputFile.Open(path, (problem, cause) => new DatasetException(path, $"{problem}.", cause));
        }
        catch (FileNotFoundException error)
        {
            throw new DatasetException(path, "there is no such file.", error);
        }
    }
}
