using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of DiDi-Instruct; defaults are what <c>samples/DiffusionText</c> runs.</summary>
/// <remarks>The sample distils a model of fewer than 100 thousand parameters and writes its figures to
/// <c>docs/results/diffusiontext.md</c>; larger models are untried, take lower rates for them (paper: 1e-6 for 169 million). 1000 student
/// updates at 4e-4; rates fall linearly to 0 at the end of the run, discriminator warm-up included.</remarks>
public sealed class DiDiInstructOptions : DistillationOptions
{
    /// <summary>Discriminator steps before the first student update. Default 400.</summary>
    [Range(0L, long.MaxValue)]
    public long DiscriminatorWarmup { get; set; } = 400;

    /// <summary>Groups a step; rows B = groups x group size. Default 8.</summary>
    [Range(1, 100_000)]
    public int GroupCount { get; set; } = 8;

    /// <summary>G, rows of a group. Default 8 (officially 4).</summary>
    [Range(2, 100_000)]
    public int GroupSize { get; set; } = 8;

    /// <summary>K, steps of a rollout to a sample. Default 4 (the paper's is 2). One step from all masks makes positions
    /// independent: it is there for comparison, as the ablation of <c>samples/DiffusionText</c>.</summary>
    [Range(1, 1000)]
    public int RolloutSteps { get; set; } = 4;

    /// <summary>Where a rollout starts. Default all masks; corrupted reference rows with one step are meant for data that mixes
    /// slowly (our prototype's choice on a chain of twelve letters, not part of the sample's run).</summary>
    public RolloutStart Start { get; set; }

    /// <summary>Whether samples are corrupted at a time of their own rollout. Default true, the paper's coupled time; false draws
    /// another, and so does a rollout of one step from all masks, which has none.</summary>
    public bool CouplesTime { get; set; } = true;

    /// <summary>Whether the rows of a group share their times, so that advantages compare like with like. Default true (officially
    /// false).</summary>
    public bool SharesTimes { get; set; } = true;

    /// <summary>Times lie in [this, 1 - this]. Default 0.02 (official code).</summary>
    [Range(0.0, 0.49)]
    public double TimeMargin { get; set; } = 0.02;

    /// <summary>The discriminator's peak learning rate. Default 2e-3 (officially 1e-5).</summary>
    [Range(0.0, 1.0)]
    public double DiscriminatorLearningRate { get; set; } = 2e-3;

    /// <summary>Label smoothing s of the discriminator. Default 0 (officially 0.1).</summary>
    [Range(0.0, 0.49)]
    public double LabelSmoothing { get; set; }

    /// <summary>Whether discriminator loss and reward look at masked positions only. Default false (officially true).</summary>
    public bool LooksAtMaskedOnly { get; set; }

    /// <summary>Blocks of the discriminator that are trained, counted from the last; 0 for all, the default (officially 4).</summary>
    [Range(0, 10_000)]
    public int TrainedBlocks { get; set; }

    /// <summary>Whether advantages are divided by the group's deviation. Default true.</summary>
    public bool DividesByDeviation { get; set; } = true;

    /// <summary>Bound of a reward. Default 8.</summary>
    [Range(0.0, 1000.0)]
    public double RewardClip { get; set; } = 8;

    /// <summary>Bound of an advantage. Default 3.</summary>
    [Range(0.0, 1000.0)]
    public double AdvantageClip { get; set; } = 3;

    /// <summary>Weight of KL(teacher || student) at the last two states of a rollout. Default 0.05 (officially 0.01 each).</summary>
    [Range(0.0, 1000.0)]
    public double DivergenceWeight { get; set; } = 0.05;

    /// <summary>Weight of the student's entropy. Default 5e-4.</summary>
    [Range(0.0, 1000.0)]
    public double EntropyWeight { get; set; } = 5e-4;

    /// <summary>Largest gradient norm of the discriminator. Default 1.</summary>
    [Range(0.0, 1000.0)]
    public double MaxDiscriminatorNorm { get; set; } = 1;

    /// <summary>The settings of the official training code, for large models.</summary>
    public static DiDiInstructOptions Official() => new()
    {
        Steps = 10_000,
        DiscriminatorWarmup = 0,
        GroupSize = 4,
        RolloutSteps = 2,
        SharesTimes = false,
        StudentLearningRate = 1e-6,
        DiscriminatorLearningRate = 1e-5,
        WarmupSteps = 1000,
        LabelSmoothing = 0.1,
        LooksAtMaskedOnly = true,
        TrainedBlocks = 4,
        DivergenceWeight = 0.01,
        AverageDecay = 0.999,
    };
}
