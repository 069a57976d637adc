namespace LmKit;

/// <summary>What one step of a distillation did.</summary>
/// <param name="Step">Steps done, discriminator warm-up included.</param>
/// <param name="DiscriminatorLoss">The discriminator's loss in nats.</param>
/// <param name="Accuracy">Share of sequences that the discriminator put on the right side.</param>
/// <param name="StudentLoss">The student's loss; null while only the discriminator learns. Not comparable across times.</param>
/// <param name="Reward">Mean reward; null likewise.</param>
/// <param name="Divergence">Mean KL(teacher || student) of the states looked at; null likewise.</param>
/// <param name="Entropy">Mean entropy of the student at masked positions; null likewise.</param>
public sealed record DistillationStep(long Step, double DiscriminatorLoss, double Accuracy, double? StudentLoss, double? Reward, double? Divergence, double? Entropy);
