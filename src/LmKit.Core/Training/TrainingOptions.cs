using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of <see cref="Trainer"/>.</summary>
public sealed class TrainingOptions
{
    /// <summary>Optimizer steps T in all. Default 1000.</summary>
    [Range(1L, long.MaxValue)]
    public long Steps { get; set; } = 1000;

    /// <summary>Micro-batches per step, whose losses are averaged over all their tokens together. Default 1.</summary>
    [Range(1, 1_000_000)]
    public int AccumulationCount { get; set; } = 1;

    /// <summary>Peak learning rate. Default 1e-3.</summary>
    [Range(0.0, 100.0)]
    public double LearningRate { get; set; } = 1e-3;

    /// <summary>Shape of the learning rate after the warm-up. Default cosine.</summary>
    public LearningRateShape Shape { get; set; } = LearningRateShape.Cosine;

    /// <summary>Warm-up steps W. Default 0.</summary>
    [Range(0L, long.MaxValue)]
    public long WarmupSteps { get; set; }

    /// <summary>Share of the peak left at the last step. Default 0.1 (H3 recipe).</summary>
    [Range(0.0, 1.0)]
    public double FinalShare { get; set; } = 0.1;

    /// <summary>Cycles of the shape with restarts. Default 1.</summary>
    [Range(1, 1_000_000)]
    public int CycleCount { get; set; } = 1;

    /// <summary>AdamW's first decay rate. Default 0.9.</summary>
    [Range(0.0, 0.9999999)]
    public double Beta1 { get; set; } = 0.9;

    /// <summary>AdamW's second decay rate. Default 0.999.</summary>
    [Range(0.0, 0.9999999)]
    public double Beta2 { get; set; } = 0.999;

    /// <summary>AdamW's epsilon. Default 1e-8.</summary>
    [Range(0.0, 1.0)]
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Decoupled weight decay. Default 0.1 (H3 recipe).</summary>
    [Range(0.0, 100.0)]
    public double WeightDecay { get; set; } = 0.1;

    /// <summary>What decays. Default the matrices; the published H3 recipes decay everything but the state spaces' own parameters.</summary>
    public DecayScope DecayScope { get; set; }

    /// <summary>Largest global gradient norm; 0 clips nothing. Default 1.</summary>
    [Range(0.0, double.MaxValue)]
    public double MaxGradientNorm { get; set; } = 1;

    /// <summary>Decay of the weight average; 0 keeps none, the default.</summary>
    [Range(0.0, 0.9999999)]
    public double AverageDecay { get; set; }

    /// <summary>Steps between evaluations; 0 evaluates never, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long EvaluationInterval { get; set; }

    /// <summary>Folder for training checkpoints; null keeps none, the default.</summary>
    public string? CheckpointFolder { get; set; }

    /// <summary>Steps between checkpoints; 0 keeps none, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long CheckpointInterval { get; set; }
}
