namespace LmKit;

/// <summary>The learning rate as a share of its peak: a linear warm-up, then a shape down to a floor.</summary>
/// <param name="Shape">The shape after the warm-up.</param>
/// <param name="WarmupSteps">Steps W of the warm-up; step k &lt; W uses k / W, so step 0 rests.</param>
/// <param name="TotalSteps">Steps T in all.</param>
/// <param name="Floor">The share left at step T, in [0, 1].</param>
/// <param name="CycleCount">Cycles R of <see cref="LearningRateShape.CosineRestarts"/>.</param>
public sealed record LearningRateSchedule(LearningRateShape Shape, long WarmupSteps, long TotalSteps, double Floor = 0, int CycleCount = 1)
{
    /// <summary>The share of the peak that optimizer step <paramref name="step"/> (from 0) uses.</summary>
    public double At(long step)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (step < WarmupSteps)
            return (double)step / WarmupSteps;
        var progress = (double)(step - WarmupSteps) / Math.Max(1, TotalSteps - WarmupSteps);
        return Shape switch
        {
            LearningRateShape.Constant => 1,
            LearningRateShape.Linear => Math.Max(Floor, 1 - progress * (1 - Floor)),
            LearningRateShape.CosineRestarts when progress >= 1 => Floor,
            LearningRateShape.CosineRestarts => HalfCosine(CycleCount * progress % 1),
            _ => HalfCosine(progress),
        };
    }

    private double HalfCosine(double progress) => Floor + (1 - Floor) * 0.5 * (1 + Math.Cos(Math.PI * progress));
}

/// <summary>How the learning rate falls after the warm-up.</summary>
public enum LearningRateShape
{
    /// <summary>Half a cosine from the peak to the floor.</summary>
    Cosine,

    /// <summary>Several half cosines one after another, each from the peak to the floor.</summary>
    CosineRestarts,

    /// <summary>A line from the peak to the floor.</summary>
    Linear,

    /// <summary>The peak throughout.</summary>
    Constant,
}
