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
