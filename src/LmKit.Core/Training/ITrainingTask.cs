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
