using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of self-distillation through time (SDTT); defaults are the published ones.</summary>
/// <remarks><see cref="DistillationOptions.Steps"/> is the steps of one round. The learning rate rises over the warm-up and stays.</remarks>
public sealed class SdttOptions : DistillationOptions
{
    /// <summary>Makes the defaults: 10,000 steps a round.</summary>
    public SdttOptions() => (Steps, StudentLearningRate, MaxStudentNorm) = (10_000, 6e-5, 1);

    /// <summary>Rounds; each halves the number of sampling steps. Default 7.</summary>
    [Range(1, 62)]
    public int RoundCount { get; set; } = 7;

    /// <summary>Sampling steps of the first teacher. Default 1024, so that 7 rounds end at 8 steps.</summary>
    [Range(2L, 1L << 40)]
    public long TeacherStepCount { get; set; } = 1024;

    /// <summary>Rows B of a step. Default 128.</summary>
    [Range(1, 1_000_000)]
    public int BatchSize { get; set; } = 128;

    /// <summary>What is minimised. Default KL(student || target).</summary>
    public SdttDivergence Divergence { get; set; }

    /// <summary>Computes the times of the teacher's steps as the published code does, t c + (1 - t) t_end, which is a slip of the pen,
    /// instead of t c + (1 - c) t_end. Default false.</summary>
    public bool UsesPublishedTimes { get; set; }
}

/// <summary>What self-distillation through time minimises at masked positions.</summary>
public enum SdttDivergence
{
    /// <summary>KL(student || target), the published default.</summary>
    StudentToTarget,

    /// <summary>KL(target || student). It cannot improve a calibrated teacher, whose own marginal is the mean of the targets.</summary>
    TargetToStudent,

    /// <summary>The squared difference of log-probabilities.</summary>
    SquaredError,

    /// <summary>The absolute difference of log-probabilities (published under the name of total variation).</summary>
    AbsoluteError,
}
