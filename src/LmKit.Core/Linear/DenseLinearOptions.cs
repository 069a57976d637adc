namespace LmKit;

/// <summary>Options of the dense linear; it has none (the model's initializer range is its start).</summary>
public sealed class DenseLinearOptions;
