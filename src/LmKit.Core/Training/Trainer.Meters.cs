using System.Diagnostics.Metrics;

namespace LmKit;

// The instruments of the meter LmKit.Core; they cost nothing while nobody listens.
public sealed partial class Trainer
{
    private const string Meters = "LmKit.Core";

    private static readonly Meter shared = new(Meters);

    private readonly Counter<long> tokens;
    private readonly Histogram<double> losses;
    private readonly Histogram<double> durations;

    internal void Record(Learner learner, double loss)
    {
        if (learners.Count > 1)
            losses.Record(loss, new KeyValuePair<string, object?>("learner", learner.Name));
    }

    private static Counter<long> CountTokens(Meter meter) =>
        meter.CreateCounter<long>("lmkit.core.training.tokens", "{token}", "Tokens that counted in the loss.");

    private static Histogram<double> MeasureLosses(Meter meter) =>
        meter.CreateHistogram<double>("lmkit.core.training.loss", "1", "Loss of each optimizer step; nats per token of language models.");

    private static Histogram<double> MeasureDurations(Meter meter) =>
        meter.CreateHistogram<double>("lmkit.core.training.step.duration", "s", "Time of each step.");

    private void Record(TrainingStep step, TimeSpan duration)
    {
        tokens.Add(step.TokenCount);
        if (learners.Count == 1)
            losses.Record(step.Loss);
        durations.Record(duration.TotalSeconds);
    }
}
