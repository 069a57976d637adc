using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which keys a query sees, as a predicate on absolute positions, and at which distance.</summary>
/// <remarks>Immutable and pure, hence thread-safe; holds no tensors. Laws: causal means no query sees a later key;
/// forgetting means that a key once hidden stays hidden; null from <see cref="Visible"/> only if all is true.</remarks>
public interface IAttentionMask
{
    /// <summary>Whether no query sees a later key.</summary>
    bool IsCausal { get; }

    /// <summary>Whether it is the plain causal mask: every query sees itself and all earlier keys, at true distances. Attention then needs no
    /// mask tensor. False by default.</summary>
    bool IsPlainCausal => false;

    /// <summary>Whether a key hidden from the next query stays hidden, so that caches may drop it.</summary>
    bool Forgets { get; }

    /// <summary>Distances shown to the position encoding are min(i - j, ceiling); null for none.</summary>
    long? DistanceCeiling { get; }

    /// <summary>Tells which keys each query sees.</summary>
    /// <param name="queries">Absolute positions (..., L) int64.</param>
    /// <param name="keys">Absolute positions (..., M) int64.</param>
    /// <returns>(..., L, M) bool, or null when every key is seen.</returns>
    Tensor? Visible(Tensor queries, Tensor keys);
}
