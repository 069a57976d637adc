using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of a distillation's guard.</summary>
public sealed class DistillationGuardOptions
{
    /// <summary>Steps between readings. Default 100.</summary>
    [Range(1L, long.MaxValue)]
    public long Interval { get; set; } = 100;

    /// <summary>Readings begin after this many steps; set it to the helper network's warm-up. Default 0.</summary>
    [Range(0L, long.MaxValue)]
    public long FirstStep { get; set; }

    /// <summary>The number of sampling steps that the student is made for. Default 8.</summary>
    [Range(1, 1_000_000)]
    public int StepCount { get; set; } = 8;

    /// <summary>Samples of a reading. Default 512.</summary>
    [Range(2, 1_000_000)]
    public int SampleCount { get; set; } = 512;

    /// <summary>Tokens L of a sample. Default 1024.</summary>
    [Range(1, 10_000_000)]
    public int Length { get; set; } = 1024;

    /// <summary>The share by which entropy may fall below the teacher's. Default 0.03.</summary>
    [Range(0.0, 1.0)]
    public double EntropyTolerance { get; set; } = 0.03;

    /// <summary>Readings in a row without a new lowest divergence that end the run; 0 never does. Default 3.</summary>
    [Range(0, 1_000_000)]
    public int Patience { get; set; } = 3;

    /// <summary>Seed of the samples, the same at each reading.</summary>
    public ulong Seed { get; set; }
}
