namespace LmKit;

/// <summary>The builder's verb for layer normalisation.</summary>
public static class LayerNormBuilderExtensions
{
    /// <summary>Chooses layer normalisation; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddLayerNorm(this LanguageModelBuilder builder, Action<LayerNormOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddNorm(CoreKinds.LayerNorm, configure);
    }
}
