namespace LmKit;

/// <summary>The builder's verb for the sparse ancestral sampler.</summary>
public static class SparseAncestralSamplerBuilderExtensions
{
    /// <summary>Chooses ancestral sampling that pays for the vocabulary only where a token is revealed.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddSparseAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.SparseAncestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
