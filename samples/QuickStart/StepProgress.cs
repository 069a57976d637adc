namespace LmKit.QuickStart;

/// <summary>Turns the trainer's steps into the display's progress and keeps the curve.</summary>
internal sealed class StepProgress(IProgress<TrainingProgress> shown, List<TrainingProgress> curve, QuickStartSettings settings, double bytesPerToken) : IProgress<TrainingStep>
{
    public void Report(TrainingStep value)
    {
        var tokensPerSecond = value.Step * settings.BatchSize * settings.WindowLength / value.Elapsed.TotalSeconds;
        var progress = new TrainingProgress(value.Step, value.TotalSteps, value.Loss, tokensPerSecond, tokensPerSecond * bytesPerToken, value.Elapsed);
        curve.Add(progress);
        shown.Report(progress);
    }
}
