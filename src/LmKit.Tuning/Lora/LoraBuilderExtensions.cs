namespace LmKit;

/// <summary>The builder's verb for low-rank adapters.</summary>
public static class LoraBuilderExtensions
{
    /// <summary>Puts adapters around the linears at sites; used twice on a site, the site has two.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder UseLora(
        this LanguageModelBuilder builder,
        Action<LoraOptions>? configure = null,
        string[]? sites = null,
        int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.UseLinear(TuningKinds.Lora, configure, sites, layers);
    }
}
