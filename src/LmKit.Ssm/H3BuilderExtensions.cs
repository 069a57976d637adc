namespace LmKit;

/// <summary>The builder's verb for H3.</summary>
public static class H3BuilderExtensions
{
    /// <summary>Puts H3 into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddH3(this LanguageModelBuilder builder, Action<H3Options>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.H3, configure, layers);
    }
}
