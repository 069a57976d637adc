namespace LmKit;

/// <summary>The diffusion samplers as components: samplers of bidirectional language models.</summary>
public static class DiffusionSamplerComponents
{
    /// <summary>The ancestral sampler.</summary>
    public static readonly Kind<DiffusionSamplerOptions, ISampler> Ancestral = Slots.Sampler.Define<DiffusionSamplerOptions>("ancestral", (options, model) => new AncestralSampler(Denoiser(options, model), options));

    /// <summary>The cached ancestral sampler.</summary>
    public static readonly Kind<CachedAncestralSamplerOptions, ISampler> CachedAncestral = Slots.Sampler.Define<CachedAncestralSamplerOptions>("cached_ancestral", (options, model) => new CachedAncestralSampler(Denoiser(options, model), options));

    /// <summary>The sparse ancestral sampler.</summary>
    public static readonly Kind<DiffusionSamplerOptions, ISampler> SparseAncestral = Slots.Sampler.Define<DiffusionSamplerOptions>("sparse_ancestral", (options, model) => new SparseAncestralSampler(Denoiser(options, model), options));

    /// <summary>The analytic sampler.</summary>
    public static readonly Kind<DiffusionSamplerOptions, ISampler> Analytic = Slots.Sampler.Define<DiffusionSamplerOptions>("analytic", (options, model) => new AnalyticSampler(Denoiser(options, model), options));

    /// <summary>The remasking sampler (ReMDM).</summary>
    public static readonly Kind<RemaskingSamplerOptions, ISampler> Remasking = Slots.Sampler.Define<RemaskingSamplerOptions>("remasking", (options, model) => new RemaskingSampler(Denoiser(options, model), options));

    /// <summary>The semi-autoregressive sampler.</summary>
    public static readonly Kind<SemiAutoregressiveSamplerOptions, ISampler> SemiAutoregressive = Slots.Sampler.Define<SemiAutoregressiveSamplerOptions>("semi_autoregressive", (options, model) => new SemiAutoregressiveSampler(Denoiser(options, model), options));

    /// <summary>The confidence-threshold sampler.</summary>
    public static readonly Kind<ConfidenceSamplerOptions, ISampler> Confidence = Slots.Sampler.Define<ConfidenceSamplerOptions>("confidence", (options, model) => new ConfidenceSampler(Denoiser(options, model), options));

    /// <summary>Chooses ancestral sampling: one network call a step.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Ancestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses ancestral sampling that calls the network only after a change.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddCachedAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<CachedAncestralSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(CachedAncestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses ancestral sampling that pays for the vocabulary only where a token is revealed.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddSparseAncestralSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(SparseAncestral, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses analytic (Tweedie) sampling.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddAnalyticSampler(this LanguageModelBuilder builder, long maskId, Action<DiffusionSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Analytic, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses remasking sampling (ReMDM), which takes tokens back.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddRemaskingSampler(this LanguageModelBuilder builder, long maskId, Action<RemaskingSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Remasking, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses semi-autoregressive sampling: windows side by side, for any length.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddSemiAutoregressiveSampler(this LanguageModelBuilder builder, long maskId, Action<SemiAutoregressiveSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(SemiAutoregressive, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    /// <summary>Chooses confidence-threshold parallel decoding.</summary>
    /// <param name="builder">The builder of a bidirectional model.</param>
    /// <param name="maskId">Token id of the mask.</param>
    /// <param name="configure">Fills the options.</param>
    public static LanguageModelBuilder AddConfidenceSampler(this LanguageModelBuilder builder, long maskId, Action<ConfidenceSamplerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Confidence, options =>
        {
            options.MaskId = maskId;
            configure?.Invoke(options);
        });
    }

    internal static IReadOnlyList<Kind> All { get; } = [Ancestral, CachedAncestral, SparseAncestral, Analytic, Remasking, SemiAutoregressive, Confidence];

    private static LanguageModelDenoiser Denoiser(DiffusionSamplerOptions options, ILanguageModel model) => options.MaskId is { } maskId
        ? maskId < model.VocabSize
            ? new LanguageModelDenoiser(model, maskId)
            : throw new ArgumentException($"{options.GetType().Name}.{nameof(options.MaskId)} = {maskId} is outside the vocabulary of {model.VocabSize}; the vocabulary size counts the mask too.", nameof(options))
        : throw new ArgumentException($"{options.GetType().Name}.{nameof(options.MaskId)} = null cannot serve a language model; give the token id of the mask, one of the vocabulary's {model.VocabSize} ids.", nameof(options));
}
