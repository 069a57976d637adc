namespace LmKit.Experiments.Tests;

/// <summary>Measures what it is told to, by seed.</summary>
internal sealed class FixedExperiment(params double[] measured) : Experiment
{
    internal override string Name => "fixed";

    internal override string Title => "Fixed figures";

    internal override string Description => "Nothing is run.";

    internal override int SeedsNeeded => 2;

    internal override ExperimentResult Run(ExperimentSetting setting, CancellationToken cancellation) => new(
        [new ResultTable("Figures", ["seed", "figure"], [[$"{setting.Seed}", Finding.Text(measured[setting.Seed])]])],
        [new Finding("figure", measured[setting.Seed], Low: 1)],
        new ResultPlot("Figures", "place", "value", [("figure", [0, 1], [0, measured[setting.Seed]])]));
}
