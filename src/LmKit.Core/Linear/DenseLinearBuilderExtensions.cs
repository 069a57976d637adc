namespace LmKit;

/// <summary>The builder's verb for dense linears.</summary>
public static class DenseLinearBuilderExtensions
{
    /// <summary>Puts dense linears at sites; the default everywhere.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddDenseLinear(this LanguageModelBuilder builder, string[]? sites = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddLinear(CoreKinds.Dense, sites: sites, layers: layers);
    }
}
