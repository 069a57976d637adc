namespace LmKit;

/// <summary>The builder's verb for Monarch linears.</summary>
public static class MonarchBuilderExtensions
{
    /// <summary>Puts Monarch linears at sites.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="sites">Site patterns (<see cref="LinearSite.Matches"/>); null for all.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddMonarchLinear(
        this LanguageModelBuilder builder,
        Action<MonarchOptions>? configure = null,
        string[]? sites = null,
        int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddLinear(StructuredKinds.Monarch, configure, sites, layers);
    }
}
