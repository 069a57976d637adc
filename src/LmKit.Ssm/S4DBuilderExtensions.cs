namespace LmKit;

/// <summary>The builder's verb for S4D.</summary>
public static class S4DBuilderExtensions
{
    /// <summary>Puts S4D into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddS4D(this LanguageModelBuilder builder, Action<S4DOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.S4D, configure, layers);
    }
}
