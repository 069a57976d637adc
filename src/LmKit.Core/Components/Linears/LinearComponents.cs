namespace LmKit;

/// <summary>Core's linears as components.</summary>
public static class LinearComponents
{
    /// <summary>The dense linear.</summary>
    public static readonly Kind<ILinear> Dense = Slots.Linear.Define("dense", site => site.IsTied ? new TiedLinear(site) : new DenseLinear(site));

    /// <summary>The dense linear whose weights are packed for inference.</summary>
    public static readonly Kind<PackedLinearOptions, ILinear> Packed = Slots.Linear.Define<PackedLinearOptions>("packed", (options, site) => site.IsTied ? new TiedLinear(site, options) : new PackedLinear(options, site));

    /// <summary>Puts dense linears at sites; the default everywhere.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all linears of layers.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddDenseLinear(this LanguageModelBuilder builder, string[]? sites = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Dense, layers, sites);
    }

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
        return builder.Add(Packed, configure, layers, sites);
    }
}
