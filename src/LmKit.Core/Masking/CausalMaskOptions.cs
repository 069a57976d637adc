namespace LmKit;

/// <summary>Options of the causal mask; it has none.</summary>
public sealed class CausalMaskOptions;
