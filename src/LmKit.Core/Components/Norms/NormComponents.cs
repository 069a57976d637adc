using static TorchSharp.torch;

namespace LmKit;

/// <summary>Core's norms as components.</summary>
public static class NormComponents
{
    /// <summary>Layer normalisation.</summary>
    public static readonly Kind<LayerNormOptions, nn.IModule<Tensor, Tensor>> LayerNorm = Slots.Norm.Define<LayerNormOptions>("layer_norm", (options, layer) => new LayerNorm(options, layer));

    /// <summary>Root-mean-square normalisation.</summary>
    public static readonly Kind<RmsNormOptions, nn.IModule<Tensor, Tensor>> RmsNorm = Slots.Norm.Define<RmsNormOptions>("rms_norm", (options, layer) => new RmsNorm(options, layer));

    /// <summary>No normalisation: what comes in goes out.</summary>
    public static readonly Kind<nn.IModule<Tensor, Tensor>> None = Slots.Norm.Define("none", _ => new NoNorm());

    /// <summary>Chooses layer normalisation; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all and for the model's last norm. The layer count names the last norm alone.</param>
    public static LanguageModelBuilder AddLayerNorm(this LanguageModelBuilder builder, Action<LayerNormOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(LayerNorm, configure, layers);
    }

    /// <summary>Chooses root-mean-square normalisation.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all and for the model's last norm. The layer count names the last norm alone.</param>
    public static LanguageModelBuilder AddRmsNorm(this LanguageModelBuilder builder, Action<RmsNormOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(RmsNorm, configure, layers);
    }

    /// <summary>Leaves norms out.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all and for the model's last norm. The layer count names the last norm alone.</param>
    public static LanguageModelBuilder AddNoNorm(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(None, layers);
    }
}

/// <summary>The norm that changes nothing.</summary>
internal sealed class NoNorm() : nn.Module<Tensor, Tensor>(nameof(NoNorm))
{
    public override Tensor forward(Tensor x) => x.alias();
}
