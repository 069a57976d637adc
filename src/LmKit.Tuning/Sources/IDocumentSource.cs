using System.Security.Cryptography;

namespace LmKit;

/// <summary>Documents out of files, read lazily and as often as asked.</summary>
public interface IDocumentSource : IAsyncEnumerable<SourceDocument>
{
    /// <summary>The files, so that a run is not resumed on others.</summary>
    IReadOnlyList<SourceFingerprint> Fingerprints { get; }
}

/// <summary>One document of a source.</summary>
/// <param name="Ordinal">Its place in the source, from 0.</param>
/// <param name="Id">Its name, which must differ between documents.</param>
/// <param name="Text">Its text.</param>
/// <param name="IsTooLarge">Whether it was passed over for its size, so that the text is not here.</param>
public sealed record SourceDocument(long Ordinal, string Id, string Text, bool IsTooLarge = false);

/// <summary>What tells a source file from another one.</summary>
/// <param name="Name">Its name without its folder.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="Sha256">SHA-256 of its first 1,048,576 bytes.</param>
public sealed record SourceFingerprint(string Name, long Length, string Sha256)
{
    private const int HashedLength = 1 << 20;

    /// <summary>The fingerprint of a file.</summary>
    /// <exception cref="DatasetException">There is no such file, or it is no plain one.</exception>
    public static SourceFingerprint Of(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (InputFile.Fault(path) is { } fault)
            throw new DatasetException(path, $"{fault}.");
        using var file = InputFile.Open(path, (problem, cause) => new DatasetException(path, $"{problem}.", cause));
        var start = new byte[Math.Min(file.Length, HashedLength)];
        var count = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        return new SourceFingerprint(Path.GetFileName(path), file.Length, Convert.ToHexStringLower(SHA256.HashData(start.AsSpan(0, count))));
    }
}
