namespace LmKit;

/// <summary>The builder's verb for the remasking sampler (ReMDM).</summary>
public static class RemaskingSamplerBuilderExtensions
{
    /// <summary>Chooses remasking sampling (ReMDM), which takes tokens back.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddRemaskingSampler(this LanguageModelBuilder builder, long maskId, Action<RemaskingSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.AddSampler(DiffusionKinds.Remasking, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }
}
