namespace LmKit;

/// <summary>The builder's verb for the gated long convolution.</summary>
public static class LongConvBuilderExtensions
{
    /// <summary>Puts gated long convolutions into layers; bidirectional where the model is.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddLongConv(this LanguageModelBuilder builder, Action<LongConvOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.LongConv, configure, layers);
    }
}
