using static TorchSharp.torch;

namespace LmKit;

/// <summary>A dictionary of features: codes over atoms that rebuild activations.</summary>
/// <remarks>Law: <c>Decode(c) = c x Atoms + Bias</c>. Sparse autoencoders promise codes that are at least 0 and as sparse as
/// their kind says; supervised dictionaries exactly one active code per attribute.</remarks>
public interface IDictionary
{
    /// <summary>The atoms (F, D), owned by the dictionary.</summary>
    Tensor Atoms { get; }

    /// <summary>The decoder's bias (D), owned by the dictionary.</summary>
    Tensor Bias { get; }

    /// <summary>Codes (B, F) of a batch of activations; the caller disposes them.</summary>
    Tensor Encode(ActivationBatch batch);

    /// <summary>Activations (B, D) rebuilt from codes (B, F); the caller disposes them.</summary>
    Tensor Decode(Tensor codes);
}

/// <summary>Activations of one point of a model, with the attributes of each example where they are known.</summary>
/// <param name="Values">Activations (B, D); owned by whoever made the batch.</param>
/// <param name="Attributes">Attribute values (B, A) int64, or null; a supervised dictionary needs them.</param>
public sealed record ActivationBatch(Tensor Values, Tensor? Attributes = null);
