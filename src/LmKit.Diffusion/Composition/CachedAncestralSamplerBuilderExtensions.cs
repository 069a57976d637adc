namespace LmKit;

/// <summary>The builder's verb for the cached ancestral sampler.</summary>
public static class CachedAncestralSamplerBuilderExtensions
{
    /// <summary>Chooses ancestral sampling that calls the network only after a change.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddCachedAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<CachedAncestralSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.CachedAncestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
