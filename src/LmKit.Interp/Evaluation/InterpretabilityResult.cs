namespace LmKit;

/// <summary>What test 3 found for one attribute.</summary>
/// <param name="Attribute">The attribute.</param>
/// <param name="Threshold">The F1 asked for.</param>
/// <param name="FeatureCount">Features whose best F1 reaches it.</param>
/// <param name="ValueCount">Values that some feature reaches it for.</param>
/// <param name="Values">Values in all.</param>
public sealed record InterpretabilityResult(string Attribute, double Threshold, long FeatureCount, long ValueCount, long Values);
