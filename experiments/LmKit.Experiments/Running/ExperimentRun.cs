namespace LmKit.Experiments;

/// <summary>One seed's run of an experiment.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Time">How long it took.</param>
/// <param name="Result">What it measured.</param>
internal sealed record ExperimentRun(int Seed, TimeSpan Time, ExperimentResult Result)
{
    /// <summary>Whether every finding holds.</summary>
    internal bool Holds => Result.Findings.Count > 0 && Result.Findings.All(finding => finding.Holds);
}
