namespace LmKit;

/// <summary>What one step of a distillation did; what a method does not have, or this step did not do, is null.</summary>
/// <param name="Step">Steps done, the helper network's warm-up included.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
public sealed record DistillationStep(long Step, long TotalSteps)
{
    /// <summary>The student's loss; not comparable across times.</summary>
    public double? StudentLoss { get; init; }

    /// <summary>Mean KL(teacher || student) in nats of the states looked at.</summary>
    public double? Divergence { get; init; }

    /// <summary>Mean entropy in nats of the student at masked positions.</summary>
    public double? Entropy { get; init; }

    /// <summary>The loss in nats of the helper network: a discriminator or an auxiliary denoiser.</summary>
    public double? HelperLoss { get; init; }

    /// <summary>Share of sequences that the discriminator put on the right side.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Mean reward.</summary>
    public double? Reward { get; init; }

    /// <summary>What the guard read after this step.</summary>
    public GuardReading? Reading { get; init; }
}
