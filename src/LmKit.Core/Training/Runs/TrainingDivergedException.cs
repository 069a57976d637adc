namespace LmKit;

/// <summary>Training met a loss or gradient that is not finite; parameters are as after the last good step.</summary>
/// <param name="step">The step that failed, from 1.</param>
/// <param name="quantity">What was not finite.</param>
/// <param name="checkpoint">The last good checkpoint, or null.</param>
public sealed class TrainingDivergedException(long step, string quantity, string? checkpoint)
    : Exception($"The {quantity} of step {step} is not finite. Lower the learning rate or look at the data. "
        + (checkpoint is null ? "No checkpoint was kept." : $"The last good checkpoint is {checkpoint}."))
{
    /// <summary>The step that failed, from 1.</summary>
    public long Step { get; } = step;

    /// <summary>The last good checkpoint, or null.</summary>
    public string? Checkpoint { get; } = checkpoint;
}
