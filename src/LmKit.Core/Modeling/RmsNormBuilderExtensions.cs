namespace LmKit;

/// <summary>The builder's verb for root-mean-square normalisation.</summary>
public static class RmsNormBuilderExtensions
{
    /// <summary>Chooses root-mean-square normalisation.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddRmsNorm(this LanguageModelBuilder builder, Action<RmsNormOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddNorm(CoreKinds.RmsNorm, configure);
    }
}
