namespace LmKit.Experiments;

/// <summary>A reproduction of a published or recorded claim: its recipe, its thresholds, its table and its plot.</summary>
internal abstract class Experiment
{
    /// <summary>What the command line calls it, and the name of its result files.</summary>
    internal abstract string Name { get; }

    /// <summary>The heading of its report.</summary>
    internal abstract string Title { get; }

    /// <summary>The claim and the recipe, in a paragraph of the report.</summary>
    internal abstract string Description { get; }

    /// <summary>How many of the seeds must hold all findings for the claim to count as reproduced; 0 for all of them.</summary>
    internal virtual int SeedsNeeded => 0;

    /// <summary>Runs it once.</summary>
    /// <param name="setting">Seed, size and where progress goes.</param>
    /// <param name="cancellation">Observed between steps.</param>
    internal abstract ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation);
}
