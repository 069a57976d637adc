namespace LmKit;

/// <summary>Documents out of files, read lazily and as often as asked.</summary>
public interface IDocumentSource : IAsyncEnumerable<SourceDocument>
{
    /// <summary>The files, so that a run is not resumed on others.</summary>
    IReadOnlyList<SourceFingerprint> Fingerprints { get; }
}
