namespace LmKit;

/// <summary>What test 1 found.</summary>
/// <param name="CleanDifference">Logit difference of the clean runs.</param>
/// <param name="AblatedDifference">Under mean ablation.</param>
/// <param name="Sufficiency">Scores with activations replaced by their reconstructions.</param>
/// <param name="Necessity">Scores with activations replaced by the mean plus what reconstructions leave; see its
/// <see cref="LogitDifferenceScore.Necessity"/>.</param>
public sealed record ApproximationResult(double CleanDifference, double AblatedDifference, LogitDifferenceScore Sufficiency, LogitDifferenceScore Necessity)
{
    /// <summary>Prompts that it is the mean of; 0 where that is not known.</summary>
    public long PromptCount { get; init; }

    /// <summary>Standard error of <see cref="CleanDifference"/> over prompts; NaN where it is not known.</summary>
    public double CleanError { get; init; } = double.NaN;

    /// <summary>Standard error of <see cref="AblatedDifference"/> over prompts.</summary>
    public double AblatedError { get; init; } = double.NaN;
}
