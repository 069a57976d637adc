using System.Collections.Immutable;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a training run does in a step: the part that differs between language modelling, denoising, distillation, dictionaries and tuning.</summary>
/// <remarks>
/// <para><see cref="ILossTask"/> is the short form, for one module and one loss. This one is for several learners, or for work of its own in a step.</para>
/// <para>Used by one thread at a time. Every random choice comes from what <see cref="Progress"/> holds, so a run that is restored from it
/// repeats the uninterrupted one.</para>
/// </remarks>
public interface ITrainingTask
{
    /// <summary>What is trained, read once by a trainer; the first is the main one, whose loss, gradient norm and average are the run's.</summary>
    IReadOnlyList<Learner> Learners { get; }

    /// <summary>Steps of the whole run for a task that counts them itself; null where <see cref="TrainingOptions.Steps"/> says it.</summary>
    long? Steps => null;

    /// <summary>Whether there is something to evaluate on.</summary>
    bool CanEvaluate => false;

    /// <summary>Makes ready what the next step needs, such as a batch that arrives in its own time. Called once before each step, outside of any dispose scope.</summary>
    /// <returns>False when the data has ended, which ends the run.</returns>
    ValueTask<bool> NextAsync(CancellationToken cancellation) => ValueTask.FromResult(true);

    /// <summary>Does one step's work: makes losses and steps down them by <see cref="TrainingTurn.Descend(Learner, Tensor)"/>. Gradients are recorded.</summary>
    void Learn(TrainingTurn turn);

    /// <summary>What is trained on what and how: everything besides <see cref="TrainingOptions"/> and the learners that a run must have in common
    /// with a checkpoint to continue from it.</summary>
    /// <remarks>By default the type's name, which lets a run continue with other data, of which a trainer's log warns: a task of your own adds its data and settings.</remarks>
    RunIdentity Identity() => new("task", GetType().FullName ?? GetType().Name);

    /// <summary>Held-out loss with the learners as they are, and how far it can be off; null when nothing is held out. Lower is better. No gradients are
    /// recorded, and tensors that are made belong to a dispose scope of the trainer's.</summary>
    Estimate? Evaluate() => null;

    /// <summary>Where the run is in its data and its randomness, and what else it remembers: finite tensors, new ones in the caller's dispose scope
    /// or the task's own.</summary>
    IReadOnlyDictionary<string, Tensor> Progress();

    /// <summary>Goes back to where <see cref="Progress"/> was taken; all of it or, when it throws, nothing.</summary>
    /// <exception cref="CheckpointMismatchException">The progress is of another run; names what differs.</exception>
    void Restore(IReadOnlyDictionary<string, Tensor> progress);
}

/// <summary>A task of one module and one loss, such as next-token training; <see cref="TrainingOptions.AccumulationCount"/> losses make a step.</summary>
public interface ILossTask : ITrainingTask
{
    /// <summary>The module whose parameters are trained.</summary>
    nn.Module Model { get; }

    /// <summary>Takes the next micro-batch and computes its loss; the sum belongs to the caller's dispose scope.</summary>
    TrainingLoss NextLoss();

    /// <summary>Called when gradients are there and before they are clipped: the place to keep some from acting.</summary>
    /// <remarks>Once per optimizer step; with parameters of bfloat16 once per micro-batch, whose gradients are then summed in float32.</remarks>
    void PrepareGradients()
    {
    }

    IReadOnlyList<Learner> ITrainingTask.Learners => [new Learner("model", Model)];

    void ITrainingTask.Learn(TrainingTurn turn)
    {
        ArgumentNullException.ThrowIfNull(turn);
        turn.Descend(this);
    }
}

/// <summary>A module that knows when it cannot be trained as it stands, such as an adapter that is merged into its base.</summary>
/// <remarks>A trainer asks before it begins (<see cref="Learner.CheckTrainable"/>).</remarks>
internal interface ITrainingCheck
{
    /// <summary>Why it cannot be trained now and what to do about it, as a sentence; null when it can.</summary>
    string? WhyItCannotTrain();
}

/// <summary>What one step of a run did.</summary>
/// <param name="Step">Steps done so far, this one included.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Loss">The main learner's loss: mean nats per counted token for language models. NaN in a step in which it did not learn.</param>
/// <param name="TokenCount">Tokens that counted in the loss; 0 for a task that does not count any.</param>
/// <param name="GradientNorm">The main learner's global gradient norm before clipping.</param>
/// <param name="LearningRate">The main learner's learning rate.</param>
/// <param name="Evaluation">Mean held-out loss and how far it can be off, where the step evaluated.</param>
/// <param name="Elapsed">Time since the call began that took the step, <see cref="Trainer.Run(Action{TrainingStep}, CancellationToken)"/> or <see cref="Trainer.Advance"/>.</param>
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

    /// <summary>What else the task reported, by name, such as <c>divergence</c> or <c>dead_count</c>; <c>loss.NAME</c> for each learner but the main one.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = ImmutableDictionary<string, double>.Empty;
}

/// <summary>The loss of one micro-batch.</summary>
/// <param name="Sum">Summed over the counted tokens, 0-d, with its graph.</param>
/// <param name="Count">How many tokens counted.</param>
public sealed record TrainingLoss(Tensor Sum, long Count);
