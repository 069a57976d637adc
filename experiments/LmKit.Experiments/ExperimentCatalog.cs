namespace LmKit.Experiments;

/// <summary>Every experiment there is, in the order of the packages.</summary>
internal static class ExperimentCatalog
{
    internal static IReadOnlyList<Experiment> All { get; } =
        [new RecallExperiment(hasDropout: true), new RecallExperiment(hasDropout: false), new InductionExperiment(), new ExtrapolationExperiment(), new StatePassingExperiment(), new LanguageExperiment(),
            new LengthExperiment(), new FirstTokenExperiment(), new PasskeyExperiment(), new HybridExperiment(), new PublishedLengthExperiment()];
}
