using System.Diagnostics.Metrics;

namespace LmKit;

/// <summary>The training instruments of the meter <c>LmKit.Core</c>; they cost nothing while nobody listens.</summary>
internal static class TrainingMeter
{
    private static readonly Meter Meter = new("LmKit.Core");
    private static readonly Counter<long> Tokens = Meter.CreateCounter<long>("lmkit.core.training.tokens", "{token}", "Tokens that counted in the loss.");
    private static readonly Histogram<double> Loss = Meter.CreateHistogram<double>("lmkit.core.training.loss", "nat/{token}", "Mean loss of each optimizer step.");
    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>("lmkit.core.training.step.duration", "s", "Time of each optimizer step.");

    internal static void Record(TrainingStep step, TimeSpan duration)
    {
        Tokens.Add(step.TokenCount);
        Loss.Record(step.Loss);
        Duration.Record(duration.TotalSeconds);
    }
}
