namespace LmKit;

/// <summary>The builder's verb for the causal mask.</summary>
public static class CausalMaskBuilderExtensions
{
    /// <summary>Gives the attention of layers the causal mask, the default of a causal model.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddCausalMask(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMask(CoreKinds.CausalMask, layers: layers);
    }
}
