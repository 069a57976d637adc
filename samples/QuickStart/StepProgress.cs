namespace LmKit.QuickStart;

/// <summary>Turns the trainer's steps into progress for the display and for whoever keeps the curve.</summary>
internal sealed class StepProgress(IProgress<TrainingProgress> shown, Action<TrainingProgress> keep, QuickStartSettings settings, double bytesPerToken) : IProgress<TrainingStep>
{
    public void Report(TrainingStep value)
    {
        var tokensPerSecond = value.Step * settings.BatchSize * settings.WindowLength / value.Elapsed.TotalSeconds;
        var progress = new TrainingProgress(value.Step, value.TotalSteps, value.Loss, tokensPerSecond, tokensPerSecond * bytesPerToken, value.Elapsed);
        keep(progress);
        shown.Report(progress);
    }
}
