namespace LmKit;

/// <summary>The builder's verb for the semi-autoregressive sampler.</summary>
public static class SemiAutoregressiveSamplerBuilderExtensions
{
    /// <summary>Chooses semi-autoregressive sampling: windows side by side, for any length.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddSemiAutoregressiveSampler(this LanguageModelBuilder builder, long maskId, Action<SemiAutoregressiveSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.SemiAutoregressive, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
