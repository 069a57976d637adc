using System.Diagnostics.Metrics;

namespace LmKit;

/// <summary>The training instruments of a meter <c>LmKit.Core</c>; they cost nothing while nobody listens.</summary>
internal sealed class TrainingMeter
{
    private readonly Counter<long> tokens;
    private readonly Histogram<double> losses;
    private readonly Histogram<double> durations;

    private TrainingMeter(Meter meter)
    {
        tokens = meter.CreateCounter<long>("lmkit.core.training.tokens", "{token}", "Tokens that counted in the loss.");
        losses = meter.CreateHistogram<double>("lmkit.core.training.loss", "1", "Loss of each optimizer step; nats per token of language models.");
        durations = meter.CreateHistogram<double>("lmkit.core.training.step.duration", "s", "Time of each step.");
    }

    private static TrainingMeter Shared { get; } = new(new Meter("LmKit.Core"));

    /// <summary>The instruments of a factory's meter, or those of the process where there is no factory.</summary>
    internal static TrainingMeter From(IMeterFactory? factory) => factory is null ? Shared : new TrainingMeter(factory.Create("LmKit.Core"));

    /// <summary>Records a step, and its loss where it has one learner alone.</summary>
    internal void Record(TrainingStep step, TimeSpan duration, bool isOfOneLearner)
    {
        tokens.Add(step.TokenCount);
        if (isOfOneLearner)
            losses.Record(step.Loss);
        durations.Record(duration.TotalSeconds);
    }

    /// <summary>Records the loss of one of several learners.</summary>
    internal void Record(double loss, string learner) => losses.Record(loss, new KeyValuePair<string, object?>("learner", learner));
}
