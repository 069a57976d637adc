namespace LmKit;

/// <summary>A document, or a part of one, that is packed as a whole.</summary>
/// <param name="Document">The document's index.</param>
/// <param name="Start">Its first token taken.</param>
/// <param name="Length">How many tokens.</param>
public readonly record struct PackedPiece(int Document, int Start, int Length);
