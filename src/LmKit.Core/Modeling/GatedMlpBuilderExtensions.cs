namespace LmKit;

/// <summary>The builder's verb for the gated feed-forward part.</summary>
public static class GatedMlpBuilderExtensions
{
    /// <summary>Puts the gated feed-forward part into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddGatedMlp(this LanguageModelBuilder builder, Action<GatedMlpOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddFeedForward(CoreKinds.GatedMlp, configure, layers);
    }
}
