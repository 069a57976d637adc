namespace LmKit;

/// <summary>The component kinds of LmKit.Core.</summary>
public static class CoreKinds
{
    /// <summary>Multi-head attention.</summary>
    public static readonly MixerKind<AttentionOptions> Attention = new("attention", (options, layer) => new Attention(options, layer));

    /// <summary>The causal mask.</summary>
    public static readonly MaskKind<CausalMaskOptions> CausalMask = new("causal", (_, _) => new CausalMask());

    /// <summary>The bidirectional mask.</summary>
    public static readonly MaskKind<BidirectionalMaskOptions> BidirectionalMask = new("bidirectional", (_, _) => new BidirectionalMask());

    /// <summary>The two-layer feed-forward part.</summary>
    public static readonly FeedForwardKind<MlpOptions> Mlp = new("mlp", (options, layer) => new Mlp(options, layer));

    /// <summary>The gated feed-forward part.</summary>
    public static readonly FeedForwardKind<GatedMlpOptions> GatedMlp = new("gated_mlp", (options, layer) => new GatedMlp(options, layer));

    /// <summary>Layer normalisation.</summary>
    public static readonly NormKind<LayerNormOptions> LayerNorm = new("layer_norm", (options, layer) => new LayerNorm(options, layer));

    /// <summary>Root-mean-square normalisation.</summary>
    public static readonly NormKind<RmsNormOptions> RmsNorm = new("rms_norm", (options, layer) => new RmsNorm(options, layer));

    /// <summary>The dense linear.</summary>
    public static readonly LinearKind<DenseLinearOptions> Dense = new("dense", (_, site) => new DenseLinear(site));

    /// <summary>The dense linear whose weights are packed for inference.</summary>
    public static readonly LinearKind<PackedLinearOptions> Packed = new("packed", (options, site) => new PackedLinear(options, site));

    /// <summary>The autoregressive sampler.</summary>
    public static readonly SamplerKind<AutoregressiveSamplerOptions> Autoregressive = new("autoregressive", (options, model) => new AutoregressiveSampler(model, options));

    internal static IReadOnlyList<ComponentKind> All { get; } =
        [Attention, CausalMask, BidirectionalMask, Mlp, GatedMlp, LayerNorm, RmsNorm, Dense, Packed, Autoregressive];
}
