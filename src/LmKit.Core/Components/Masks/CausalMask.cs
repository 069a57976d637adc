using static TorchSharp.torch;

namespace LmKit;

/// <summary>Every query sees itself and all earlier keys.</summary>
public sealed class CausalMask : IAttentionMask, IReachingMask
{
    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    MaskReach IReachingMask.Reach => MaskReach.All;

    /// <inheritdoc/>
    public bool IsPlainCausal => true;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(CausalMask));
        using var i = queries.unsqueeze(-1);
        using var j = keys.unsqueeze(-2);
        return i.ge(j); // (..., L, M)
    }
}
