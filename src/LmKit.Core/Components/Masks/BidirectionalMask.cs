using static TorchSharp.torch;

namespace LmKit;

/// <summary>Every query sees every key of its document.</summary>
public sealed class BidirectionalMask : IAttentionMask
{
    /// <inheritdoc/>
    public bool IsCausal => false;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys) => null;
}
