using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention of a few new tokens over all keys that a cache holds: softmax(q k^T / sqrt(P) + bias) v in one pass, scores capped
/// before the bias where a soft cap is set, with the new keys and values written into the cache's own memory.</summary>
/// <remarks>The CPU form serves float32 without gradients, no positions, rotary and ALiBi, masks that are three numbers
/// (<see cref="MaskReach"/>) and rows of any documents. Query heads that share a key head read it together, so nothing is repeated, and
/// nothing is done per held key but two products of its width. It equals the reference within 2e-5 of the largest entry.</remarks>
internal static partial class CachedAttention
{
    // Longer calls are products of matrices, at which the library is good.
    private const long MostTokens = 8;

    // Numbers of the phases that all new tokens need for keys at the ceiling; beyond this the general form serves the call.
    private const double MostFarPhases = 1 << 20;

    /// <summary>Whether the CPU form serves a call.</summary>
    /// <param name="q">Queries (B, L, H, P) before position encoding.</param>
    /// <param name="k">Keys (B, L, Hkv, P), likewise.</param>
    /// <param name="v">Values (B, L, Hkv, P).</param>
    /// <param name="mask">What is seen.</param>
    /// <param name="encoding">The position encoding, or null.</param>
    /// <param name="sinks">A score (H) that joins every softmax, or null.</param>
    internal static bool IsServed(Tensor q, Tensor k, Tensor v, IAttentionMask mask, PositionEncoding? encoding, Tensor? sinks = null) =>
        mask is IReachingMask reaching
        && encoding is null or RotaryEmbedding or AlibiEncoding
        && q.size(1) is > 0 and <= MostTokens
        && q.size(0) > 0
        && (encoding is not RotaryEmbedding rotary || (double)reaching.Reach.Starts * q.size(1) * rotary.RotaryDim <= MostFarPhases)
        && (q.dtype == ScalarType.Float32 || (HalfPrecision.Is(q.dtype) && encoding is not null))
        && q.device_type == DeviceType.CPU
        && KernelSelection.Current == KernelChoice.Cpu
        && !(is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad || sinks is { requires_grad: true }));
}
