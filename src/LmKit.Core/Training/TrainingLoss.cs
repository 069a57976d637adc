using static TorchSharp.torch;

namespace LmKit;

/// <summary>The loss of one micro-batch.</summary>
/// <param name="Sum">Summed over the counted tokens, 0-d, with its graph.</param>
/// <param name="Count">How many tokens counted.</param>
public sealed record TrainingLoss(Tensor Sum, long Count);
