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

/// <summary>Core's masks as components.</summary>
public static class MaskComponents
{
    /// <summary>The causal mask.</summary>
    public static readonly Kind<IAttentionMask> Causal = Slots.Mask.Define("causal", _ => new CausalMask());

    /// <summary>The bidirectional mask.</summary>
    public static readonly Kind<IAttentionMask> Bidirectional = Slots.Mask.Define("bidirectional", _ => new BidirectionalMask());

    /// <summary>The sliding window.</summary>
    public static readonly Kind<SlidingWindowOptions, IAttentionMask> SlidingWindow =
        Slots.Mask.Define<SlidingWindowOptions>("sliding_window", (options, layer) => new SlidingWindowMask(options, layer));

    /// <summary>Gives the attention of layers the causal mask, the default of a causal model.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddCausalMask(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Causal, layers);
    }

    /// <summary>Lets the attention of layers see every key, the default of a bidirectional model.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddBidirectionalMask(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Bidirectional, layers);
    }

    /// <summary>Lets the attention of layers see the last tokens only, however long the text is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSlidingWindowMask(this LanguageModelBuilder builder, Action<SlidingWindowOptions> configure, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(SlidingWindow, configure, layers);
    }
}
