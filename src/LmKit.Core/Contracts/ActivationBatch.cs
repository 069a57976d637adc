using static TorchSharp.torch;

namespace LmKit;

/// <summary>Activations of one point of a model, with the attributes of each example where they are known.</summary>
/// <param name="Values">Activations (B, D); owned by whoever made the batch.</param>
/// <param name="Attributes">Attribute values (B, A) int64, or null; a supervised dictionary needs them.</param>
public sealed record ActivationBatch(Tensor Values, Tensor? Attributes = null);
