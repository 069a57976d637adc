using System.IO.Compression;

namespace LmKit;

/// <summary>Documents of files in their order, one after another; files that end in .gz are unpacked on the way.</summary>
/// <remarks>Reads lazily, holds one document at a time, and may be read as often as wanted. A document is named FILE#NUMBER, unless it
/// names itself; where two files have one name, as many of their folders as tell them apart stand before it (x/a.txt#0). Invalid UTF-8 becomes U+FFFD, a byte order mark is left out.</remarks>
public abstract class FileDocumentSource : IDocumentSource
{
    /// <summary>Documents of more bytes are passed over: 16 MiB, after unpacking.</summary>
    public const int MaxDocumentBytes = 16 << 20;

    private readonly string[] paths;
    private readonly string[] names;

    private protected FileDocumentSource(IReadOnlyList<string> paths)
    {
        ArgumentNullException.ThrowIfNull(paths);
        this.paths = [.. paths];
        if (this.paths.FirstOrDefault(path => !File.Exists(path)) is { } missing)
            throw new DatasetException(missing, "there is no such file.");
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

    private protected static Stream Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(file, CompressionMode.Decompress) : file;
    }
}
