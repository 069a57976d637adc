namespace LmKit;

/// <summary>The builder's verb for the analytic sampler.</summary>
public static class AnalyticSamplerBuilderExtensions
{
    /// <summary>Chooses analytic (Tweedie) sampling.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAnalyticSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.Analytic, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
