namespace LmKit;

/// <summary>The builder's verb for the confidence-threshold sampler.</summary>
public static class ConfidenceSamplerBuilderExtensions
{
    /// <summary>Chooses confidence-threshold parallel decoding.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddConfidenceSampler(this LanguageModelBuilder builder, long maskId, Action<ConfidenceSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.Confidence, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
