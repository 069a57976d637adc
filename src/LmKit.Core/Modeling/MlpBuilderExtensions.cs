namespace LmKit;

/// <summary>The builder's verb for the two-layer feed-forward part.</summary>
public static class MlpBuilderExtensions
{
    /// <summary>Puts the two-layer feed-forward part into layers; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddMlp(this LanguageModelBuilder builder, Action<MlpOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddFeedForward(CoreKinds.Mlp, configure, layers);
    }
}
