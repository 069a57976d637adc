namespace LmKit;

/// <summary>The builder's verb for the bidirectional mask.</summary>
public static class BidirectionalMaskBuilderExtensions
{
    /// <summary>Lets the attention of layers see every key, the default of a bidirectional model.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddBidirectionalMask(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMask(CoreKinds.BidirectionalMask, layers: layers);
    }
}
