namespace LmKit;

/// <summary>The builder's verb for the selective scan.</summary>
public static class SelectiveScanBuilderExtensions
{
    /// <summary>Puts selective scans (Mamba-1) into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSelectiveScan(this LanguageModelBuilder builder, Action<SelectiveScanOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddMixer(SsmKinds.SelectiveScan, configure, layers);
    }
}
