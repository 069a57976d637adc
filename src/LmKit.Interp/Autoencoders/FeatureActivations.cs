using static TorchSharp.torch;

namespace LmKit;

/// <summary>Features of a batch: pre-activations, rectified values before any selection, and the codes kept, each (B, F).</summary>
internal sealed record FeatureActivations(Tensor Pre, Tensor Dense, Tensor Codes)
{
    /// <summary>The codes as a list, where a training step works with that: then it alone has a graph, and the tensors are values.</summary>
    internal KeptCodes? Kept { get; init; }
}
