namespace LmKit;

/// <summary>Core's masks as components.</summary>
public static class MaskComponents
{
    /// <summary>The causal mask.</summary>
    public static readonly Kind<IAttentionMask> Causal = Slots.Mask.Define("causal", _ => new CausalMask());

    /// <summary>The bidirectional mask.</summary>
    public static readonly Kind<IAttentionMask> Bidirectional = Slots.Mask.Define("bidirectional", _ => new BidirectionalMask());

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
}
