namespace LmKit;

/// <summary>What the first two tests found for one dictionary at one section.</summary>
/// <param name="Section">The section.</param>
/// <param name="Attribute">The attribute that was changed.</param>
/// <param name="Dictionary">The dictionary's name.</param>
/// <param name="Approximation">Test 1.</param>
/// <param name="ActiveCount">Mean number of active features (L0) on the clean prompts.</param>
/// <param name="ExplainedVariance">Share of the activations' variance that is rebuilt.</param>
/// <param name="Control">Test 2, one entry for each number of features tried.</param>
public sealed record BenchRow(
    string Section,
    string Attribute,
    string Dictionary,
    ApproximationResult Approximation,
    double ActiveCount,
    double ExplainedVariance,
    IReadOnlyList<ControllabilityResult> Control);
