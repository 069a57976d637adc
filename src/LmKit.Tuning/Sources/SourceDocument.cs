namespace LmKit;

/// <summary>One document of a source.</summary>
/// <param name="Ordinal">Its place in the source, from 0.</param>
/// <param name="Id">Its name, which must differ between documents.</param>
/// <param name="Text">Its text.</param>
/// <param name="IsTooLarge">Whether it was passed over for its size, so that the text is not here.</param>
public sealed record SourceDocument(long Ordinal, string Id, string Text, bool IsTooLarge = false);
