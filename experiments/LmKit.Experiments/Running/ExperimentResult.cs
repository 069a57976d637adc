namespace LmKit.Experiments;

/// <summary>What one run measured.</summary>
/// <param name="Tables">Tables of the report.</param>
/// <param name="Findings">Figures held against their thresholds.</param>
/// <param name="Plot">The report's picture, or null.</param>
internal sealed record ExperimentResult(IReadOnlyList<ResultTable> Tables, IReadOnlyList<Finding> Findings, ResultPlot? Plot = null);
