namespace LmKit;

/// <summary>The builder's verb for packed linears.</summary>
public static class PackedLinearBuilderExtensions
{
    /// <summary>Puts dense linears whose weights are packed for token-by-token inference at sites.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all linears of layers. <see cref="LinearSite.Head"/>
    /// packs the head, whether it is tied to the embedding or not; it must be named.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddPackedLinear(
        this LanguageModelBuilder builder,
        Action<PackedLinearOptions>? configure = null,
        string[]? sites = null,
        int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddLinear(CoreKinds.Packed, configure, sites, layers);
    }
}
