using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options that the distillers share.</summary>
public abstract class DistillationOptions
{
    /// <summary>Student updates.</summary>
    [Range(1L, long.MaxValue)]
    public long Steps { get; set; } = 1000;

    /// <summary>The student's peak learning rate.</summary>
    [Range(0.0, 1.0)]
    public double StudentLearningRate { get; set; } = 4e-4;

    /// <summary>Steps over which learning rates rise. Default 50.</summary>
    [Range(0L, long.MaxValue)]
    public long WarmupSteps { get; set; } = 50;

    /// <summary>Largest gradient norm of the student; 0 clips nothing. Default 0.5.</summary>
    [Range(0.0, 1000.0)]
    public double MaxStudentNorm { get; set; } = 0.5;

    /// <summary>Decay of the student's weight average. Default 0.99 (DiDi-Instruct officially: 0.999).</summary>
    [Range(0.0, 0.9999999)]
    public double AverageDecay { get; set; } = 0.99;

    /// <summary>Seed of every draw.</summary>
    public ulong Seed { get; set; }
}
