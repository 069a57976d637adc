namespace LmKit.InstructionTuning;

/// <summary>Hands every training step on, on the training thread.</summary>
public sealed class StepReport(Action<TrainingStep> take) : IProgress<TrainingStep>
{
    /// <inheritdoc/>
    public void Report(TrainingStep value) => take(value);
}
