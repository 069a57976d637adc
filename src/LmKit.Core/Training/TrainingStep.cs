namespace LmKit;

/// <summary>What one optimizer step did.</summary>
/// <param name="Step">Steps done so far, this one included.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Loss">Mean loss in nats per counted token.</param>
/// <param name="TokenCount">Tokens that counted in the loss.</param>
/// <param name="GradientNorm">Global gradient norm before clipping.</param>
/// <param name="LearningRate">The learning rate used.</param>
/// <param name="Evaluation">Mean held-out loss in nats per token and how far it can be off, where the step evaluated.</param>
/// <param name="Elapsed">Time since the run began.</param>
public sealed record TrainingStep(
    long Step,
    long TotalSteps,
    double Loss,
    long TokenCount,
    double GradientNorm,
    double LearningRate,
    Estimate? Evaluation,
    TimeSpan Elapsed)
{
    /// <summary>The held-out loss alone, where the step evaluated.</summary>
    public double? EvaluationLoss => Evaluation?.Value;
}
