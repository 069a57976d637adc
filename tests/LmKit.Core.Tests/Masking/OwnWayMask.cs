using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A causal mask of a third party that attends by itself and knows nothing of soft caps: it would skip them.</summary>
internal sealed class OwnWayMask(bool hasDenseForm = true) : IAttentionMask, IMaskedAttention
{
    internal static readonly Kind<IAttentionMask> Plain = Slots.Mask.Define("own_way", _ => new OwnWayMask());

    /// <summary>One that says it can only attend by itself.</summary>
    internal static readonly Kind<IAttentionMask> Alone = Slots.Mask.Define("own_way_alone", _ => new OwnWayMask(false));

    public bool HasDenseForm => hasDenseForm;

    public bool IsCausal => true;

    public bool Forgets => false;

    public long? DistanceCeiling => null;

    /// <summary>How often this thread asked any of them to attend.</summary>
    [field: ThreadStatic]
    internal static int Calls { get; private set; }

    public Tensor? Visible(Tensor queries, Tensor keys) => new CausalMask().Visible(queries, keys);

    public Tensor? Attend(AttentionInput input)
    {
        Calls++;
        return DenseAttention.Attend(input with { SoftCap = null }, new CausalMask());
    }
}
