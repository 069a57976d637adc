using System.Diagnostics.Metrics;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What is trained and on what: the part of a training run that differs between language modelling, denoising and tuning.</summary>
/// <remarks>Used by one thread. Every random choice comes from what <see cref="Progress"/> holds, so a run that is restored from it
/// goes on as if it had never stopped.</remarks>
public interface ITrainingTask
{
    /// <summary>The module whose parameters are trained.</summary>
    nn.Module Model { get; }

    /// <summary>Takes the next micro-batch and computes its loss; the sum belongs to the caller's dispose scope.</summary>
    TrainingLoss NextLoss();

    /// <summary>What is trained on what and how: everything besides <see cref="TrainingOptions"/> that a run must have in common with a
    /// checkpoint to go on from it.</summary>
    /// <remarks>By default the type's name, which lets a run go on with other data: a task of one's own adds its data and settings.</remarks>
    RunIdentity Identity() => new("task", GetType().FullName ?? GetType().Name);

    /// <summary>Whether there is something to evaluate on.</summary>
    bool CanEvaluate => true;

    /// <summary>Called when gradients are there and before they are clipped: the place to keep some from acting.</summary>
    /// <remarks>Once per optimizer step; with parameters of bfloat16 once per micro-batch, whose gradients are then summed in float32.</remarks>
    void PrepareGradients()
    {
    }

    /// <summary>Mean held-out loss in nats per token, with the model as it stands, and how far it can be off; null when nothing is held out.</summary>
    Estimate? Evaluate();

    /// <summary>Where the run stands in its data and its randomness, as tensors that the caller disposes.</summary>
    IReadOnlyDictionary<string, Tensor> Progress();

    /// <summary>Goes back to where <see cref="Progress"/> was taken; all of it or, when it throws, nothing.</summary>
    /// <exception cref="CheckpointMismatchException">The progress is of another run; names what differs.</exception>
    void Restore(IReadOnlyDictionary<string, Tensor> progress);
}

/// <summary>A module that knows when it cannot be trained as it stands, such as an adapter that is merged into its base.</summary>
/// <remarks>Every trainer of LmKit asks with <see cref="Check"/> before it begins.</remarks>
internal interface ITrainingCheck
{
    /// <summary>Why it cannot be trained now and what to do about it, as a sentence; null when it can.</summary>
    string? WhyItCannotTrain();

    /// <summary>Refuses a module with a part that cannot be trained.</summary>
    /// <exception cref="InvalidOperationException">There is one; names it and says what to do.</exception>
    static void Check(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var (name, part) in module.named_modules().Append((string.Empty, module)))
        {
            if ((part as ITrainingCheck)?.WhyItCannotTrain() is { } reason)
                throw new InvalidOperationException($"{(name.Length == 0 ? part.GetName() : name)} cannot be trained: {reason}");
        }
    }
}

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

/// <summary>The loss of one micro-batch.</summary>
/// <param name="Sum">Summed over the counted tokens, 0-d, with its graph.</param>
/// <param name="Count">How many tokens counted.</param>
public sealed record TrainingLoss(Tensor Sum, long Count);

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
