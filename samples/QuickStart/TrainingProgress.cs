namespace LmKit.QuickStart;

/// <summary>How far a training run is.</summary>
/// <param name="Step">Steps done, from 1.</param>
/// <param name="TotalSteps">Steps in all.</param>
/// <param name="Loss">Mean loss of the latest step in nats a token.</param>
/// <param name="TokensPerSecond">Tokens trained on a second.</param>
/// <param name="BytesPerSecond">Bytes of text that those tokens stand for, a second.</param>
/// <param name="Elapsed">Time since the first step began.</param>
public sealed record TrainingProgress(long Step, long TotalSteps, double Loss, double TokensPerSecond, double BytesPerSecond, TimeSpan Elapsed)
{
    /// <summary>The loss in bits per byte of text, at the run's own tokens per byte.</summary>
    public double BitsPerByte => Loss / Math.Log(2) * TokensPerSecond / BytesPerSecond;

    /// <summary>The time still needed at the mean pace so far; zero at the last step.</summary>
    public TimeSpan Left => Step > 0 ? Elapsed / Step * (TotalSteps - Step) : TimeSpan.Zero;

    /// <summary>Whether this is the last step.</summary>
    public bool IsLast => Step >= TotalSteps;
}
