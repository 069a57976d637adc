using static TorchSharp.torch;

namespace LmKit;

/// <summary>Core's feed-forward parts as components.</summary>
public static class FeedForwardComponents
{
    /// <summary>The two-layer feed-forward part.</summary>
    public static readonly Kind<MlpOptions, nn.IModule<Tensor, Tensor>> Mlp = Slots.FeedForward.Define<MlpOptions>("mlp", (options, layer) => new Mlp(options, layer));

    /// <summary>The gated feed-forward part.</summary>
    public static readonly Kind<GatedMlpOptions, nn.IModule<Tensor, Tensor>> GatedMlp = Slots.FeedForward.Define<GatedMlpOptions>("gated_mlp", (options, layer) => new GatedMlp(options, layer));

    /// <summary>Puts the two-layer feed-forward part into layers; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddMlp(this LanguageModelBuilder builder, Action<MlpOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Mlp, configure, layers);
    }

    /// <summary>Puts the gated feed-forward part into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddGatedMlp(this LanguageModelBuilder builder, Action<GatedMlpOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(GatedMlp, configure, layers);
    }
}
