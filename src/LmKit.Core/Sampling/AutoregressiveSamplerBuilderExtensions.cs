namespace LmKit;

/// <summary>The builder's verb for the autoregressive sampler.</summary>
public static class AutoregressiveSamplerBuilderExtensions
{
    /// <summary>Chooses next-token sampling; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAutoregressiveSampler(this LanguageModelBuilder builder, Action<AutoregressiveSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(CoreKinds.Autoregressive, configure);
    }
}
