namespace LmKit;

/// <summary>Options of the bidirectional mask; it has none.</summary>
public sealed class BidirectionalMaskOptions;
