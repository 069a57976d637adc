using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of distillation with an auxiliary denoiser; defaults are what <c>samples/DiffusionText</c> runs.</summary>
/// <remarks>The sample trains a student of a small chain with a known truth and writes its figures to
/// <c>docs/results/diffusiontext.md</c>; larger models are untried. 300 student updates at 3e-4; rates rise over the
/// warm-up and then fall linearly to 0.</remarks>
public sealed class AuxiliaryDenoiserOptions : DistillationOptions
{
    /// <summary>Makes the defaults.</summary>
    public AuxiliaryDenoiserOptions() => (Steps, StudentLearningRate) = (300, 3e-4);

    /// <summary>Steps of the auxiliary denoiser before the first student update. Default 100.</summary>
    [Range(0L, long.MaxValue)]
    public long AuxiliaryWarmup { get; set; } = 100;

    /// <summary>Rows B of a step. Default 64.</summary>
    [Range(1, 1_000_000)]
    public int BatchSize { get; set; } = 64;

    /// <summary>The auxiliary denoiser's peak learning rate. Default 1e-3.</summary>
    [Range(0.0, 1.0)]
    public double AuxiliaryLearningRate { get; set; } = 1e-3;

    /// <summary>Times lie in [this, 1 - this]. Default 0.02.</summary>
    [Range(0.0, 0.49)]
    public double TimeMargin { get; set; } = 0.02;

    /// <summary>Where the state that is denoised comes from. Default corrupted reference rows; the student's own rollouts from all
    /// masks sharpen it.</summary>
    public RolloutStart Start { get; set; } = RolloutStart.Data;

    /// <summary>Steps of such a rollout. Default 4.</summary>
    [Range(1, 1000)]
    public int RolloutSteps { get; set; } = 4;

    /// <summary>Bound of ln p_teacher - ln p_auxiliary. Default 5.</summary>
    [Range(0.0, 1000.0)]
    public double AdvantageClip { get; set; } = 5;

    /// <summary>beta, the weight of KL(teacher || student). Default 1.</summary>
    /// <remarks>At lower weights entropy fell further below the teacher's in our prototype on a second chain, of twelve letters, that
    /// mixes slowly; that chain is not part of the sample's run.</remarks>
    [Range(0.0, 1000.0)]
    public double DivergenceWeight { get; set; } = 1;

    /// <summary>Largest gradient norm of the auxiliary denoiser; 0 clips nothing. Default 1.</summary>
    [Range(0.0, 1000.0)]
    public double MaxAuxiliaryNorm { get; set; } = 1;
}
