namespace LmKit;

/// <summary>The builder's verb for the ancestral sampler.</summary>
public static class AncestralSamplerBuilderExtensions
{
    /// <summary>Chooses ancestral sampling: one network call a step.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.Ancestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
