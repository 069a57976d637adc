namespace LmKit;

/// <summary>The three numbers of a Lambda mask.</summary>
/// <param name="Window">L.</param>
/// <param name="Starts">G.</param>
/// <param name="Ceiling">D.</param>
internal readonly record struct LambdaShape(long Window, long Starts, long Ceiling);
