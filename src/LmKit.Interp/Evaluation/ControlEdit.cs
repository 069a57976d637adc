using static TorchSharp.torch;

namespace LmKit;

/// <summary>A sparse edit of activations; its tensors belong to the caller.</summary>
/// <param name="Edited">Edited activations (B, D).</param>
/// <param name="Features">Features in the order they were picked (B, k).</param>
/// <param name="Distances">Distance to the target after each pick (B, k).</param>
/// <param name="CleanCodes">What was taken out at each pick (B, k).</param>
/// <param name="CounterfactualCodes">What was put in (B, k).</param>
public sealed record ControlEdit(Tensor Edited, Tensor Features, Tensor Distances, Tensor CleanCodes, Tensor CounterfactualCodes);
