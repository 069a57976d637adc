namespace LmKit;

/// <summary>The builder's verb for attention.</summary>
public static class AttentionBuilderExtensions
{
    /// <summary>Puts multi-head attention into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddAttention(this LanguageModelBuilder builder, Action<AttentionOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(CoreKinds.Attention, configure, layers);
    }
}
