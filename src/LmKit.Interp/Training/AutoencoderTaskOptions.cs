using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of <see cref="AutoencoderTask"/>; checkpoints are <see cref="TrainingOptions"/>' matter.</summary>
public sealed class AutoencoderTaskOptions
{
    /// <summary>Steps of a whole run, which the learning rate's schedule needs. Default 10 000.</summary>
    [Range(1L, long.MaxValue)]
    public long Steps { get; set; } = 10_000;

    /// <summary>Peak learning rate. Default 3e-4 (Lee et al. 2025).</summary>
    [Range(0.0, 100.0)]
    public double LearningRate { get; set; } = 3e-4;

    /// <summary>Warm-up steps. Default 0.</summary>
    [Range(0L, long.MaxValue)]
    public long WarmupSteps { get; set; }

    /// <summary>Share of the steps, at the end, over which the rate falls linearly to 0. Default 0.</summary>
    [Range(0.0, 1.0)]
    public double DecayShare { get; set; }

    /// <summary>Steps over which the penalty grows linearly to its weight. Default 0.</summary>
    [Range(0L, long.MaxValue)]
    public long SparsityWarmupSteps { get; set; }

    /// <summary>Adam's first decay rate. Default 0.9.</summary>
    [Range(0.0, 0.9999999)]
    public double Beta1 { get; set; } = 0.9;

    /// <summary>Adam's second decay rate. Default 0.99 (Lee et al. 2025).</summary>
    [Range(0.0, 0.9999999)]
    public double Beta2 { get; set; } = 0.99;

    /// <summary>Adam's epsilon, at least 1e-30: at 0 a parameter without a gradient would become 0 / 0. Default 1e-8.</summary>
    [Range(1e-30, 1.0)]
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Largest gradient norm; 0 clips nothing. Default 1.</summary>
    [Range(0.0, double.MaxValue)]
    public double MaxGradientNorm { get; set; } = 1;

    /// <summary>Batches without a positive code after which a feature counts as dead (n_batches_to_dead). Default 1000 (SAELens); the
    /// first paper's code takes 5.</summary>
    [Range(1L, long.MaxValue)]
    public long DeadHorizon { get; set; } = 1000;

    /// <summary>Steps between resamplings of features that were silent since the last one; 0 never, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long ResampleInterval { get; set; }

    /// <summary>Seed of the resampling. Default 0.</summary>
    public long Seed { get; set; }

    /// <summary>Names the activations that batches come from, where they are not an <see cref="ActivationStore"/>'s; null, the default,
    /// when nothing is to be compared. A run resumes only with the same one.</summary>
    public string? DataId { get; set; }

    /// <summary>Share of the peak rate at a step.</summary>
    internal double Share(long step) => DictionarySchedule.Share(step, Steps, WarmupSteps, (long)(DecayShare * Steps));

    /// <summary>Share of the penalty's weight at a step.</summary>
    internal double SparsityShare(long step) => SparsityWarmupSteps > 0 ? Math.Min(1, (double)step / SparsityWarmupSteps) : 1;

    /// <summary>The options that may differ between a run and its continuation, or that its learner says, in snake case.</summary>
    internal string[] NotCompared() => DecayShare == 0 ? ["learning_rate", "steps"] : ["learning_rate"];
}
