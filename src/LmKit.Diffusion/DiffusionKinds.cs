namespace LmKit;

/// <summary>The component kinds of LmKit.Diffusion: samplers of bidirectional language models.</summary>
public static class DiffusionKinds
{
    /// <summary>The ancestral sampler.</summary>
    public static readonly SamplerKind<DiffusionSamplerOptions> Ancestral = new("ancestral", (options, model) => new AncestralSampler(Denoiser(options, model), options));

    /// <summary>The cached ancestral sampler.</summary>
    public static readonly SamplerKind<CachedAncestralSamplerOptions> CachedAncestral = new("cached_ancestral", (options, model) => new CachedAncestralSampler(Denoiser(options, model), options));

    /// <summary>The sparse ancestral sampler.</summary>
    public static readonly SamplerKind<DiffusionSamplerOptions> SparseAncestral = new("sparse_ancestral", (options, model) => new SparseAncestralSampler(Denoiser(options, model), options));

    /// <summary>The analytic sampler.</summary>
    public static readonly SamplerKind<DiffusionSamplerOptions> Analytic = new("analytic", (options, model) => new AnalyticSampler(Denoiser(options, model), options));

    /// <summary>The remasking sampler (ReMDM).</summary>
    public static readonly SamplerKind<RemaskingSamplerOptions> Remasking = new("remasking", (options, model) => new RemaskingSampler(Denoiser(options, model), options));

    /// <summary>The semi-autoregressive sampler.</summary>
    public static readonly SamplerKind<SemiAutoregressiveSamplerOptions> SemiAutoregressive = new("semi_autoregressive", (options, model) => new SemiAutoregressiveSampler(Denoiser(options, model), options));

    /// <summary>The confidence-threshold sampler.</summary>
    public static readonly SamplerKind<ConfidenceSamplerOptions> Confidence = new("confidence", (options, model) => new ConfidenceSampler(Denoiser(options, model), options));

    internal static IReadOnlyList<ComponentKind> All { get; } = [Ancestral, CachedAncestral, SparseAncestral, Analytic, Remasking, SemiAutoregressive, Confidence];

    private static LanguageModelDenoiser Denoiser(DiffusionSamplerOptions options, ILanguageModel model) => options.MaskId is { } maskId
        ? new LanguageModelDenoiser(model, maskId)
        : throw new ArgumentException($"mask_id is not set; give the token id of the mask, one of the vocabulary's {model.VocabSize} ids.", nameof(options));
}

/// <summary>The registry's verb for this package.</summary>
public static class DiffusionRegistryExtensions
{
    /// <summary>Adds every kind of LmKit.Diffusion, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddDiffusion(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in DiffusionKinds.All)
            registry.Add(kind);
        return registry;
    }
}

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
