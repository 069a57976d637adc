using System.Diagnostics.CodeAnalysis;

namespace LmKit;

/// <summary>The dictionaries of LmKit.Interp as components.</summary>
/// <remarks>A verb names a dictionary for the activations of layers; <see cref="LanguageModel.CreateDictionaries"/> makes it. The model itself
/// computes the same with or without. A width of 0 stands for the model's.</remarks>
public static class DictionaryComponents
{
    /// <summary>ReLU with a penalty; the April 2024 update and the attribution autoencoder are its options.</summary>
    public static readonly Kind<VanillaOptions, IDictionary> Vanilla = Define<VanillaOptions>("vanilla", (options, parameters) => new VanillaAutoencoder(options, parameters));

    /// <summary>TopK.</summary>
    public static readonly Kind<TopKOptions, IDictionary> TopK = Define<TopKOptions>("top_k", (options, parameters) => new TopKAutoencoder(options, parameters));

    /// <summary>BatchTopK, and with nested widths Matryoshka.</summary>
    public static readonly Kind<BatchTopKOptions, IDictionary> BatchTopK = Define<BatchTopKOptions>("batch_top_k", (options, parameters) => new BatchTopKAutoencoder(options, parameters));

    /// <summary>JumpReLU.</summary>
    public static readonly Kind<JumpReluOptions, IDictionary> JumpRelu = Define<JumpReluOptions>("jump_relu", (options, parameters) => new JumpReluAutoencoder(options, parameters));

    /// <summary>Gated.</summary>
    public static readonly Kind<GatedOptions, IDictionary> Gated = Define<GatedOptions>("gated", (options, parameters) => new GatedAutoencoder(options, parameters));

    /// <summary>Top-AFA.</summary>
    public static readonly Kind<TopAfaOptions, IDictionary> TopAfa = Define<TopAfaOptions>("top_afa", (options, parameters) => new TopAfaAutoencoder(options, parameters));

    /// <summary>The batch form of top-AFA.</summary>
    [Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
    public static readonly Kind<BatchTopAfaOptions, IDictionary> BatchTopAfa = Define<BatchTopAfaOptions>("batch_top_afa", (options, parameters) => new BatchTopAfaAutoencoder(options, parameters));

    /// <summary>Supervised.</summary>
    public static readonly Kind<SupervisedOptions, IDictionary> Supervised = Slots.Dictionary.Define<SupervisedOptions>("supervised", (options, site) => SupervisedDictionary.Empty(options.For(site), site.Parameters));

    internal static IReadOnlyList<Kind<IDictionary>> All { get; } = [Vanilla, TopK, BatchTopK, JumpRelu, Gated, TopAfa, BatchTopAfa, Supervised];

    /// <summary>Names a ReLU autoencoder for the activations of layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddVanillaAutoencoder(this LanguageModelBuilder builder, Action<VanillaOptions>? configure = null, int[]? layers = null) => Add(builder, Vanilla, configure, layers);

    /// <summary>Names a TopK autoencoder for the activations of layers.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddTopKAutoencoder(this LanguageModelBuilder builder, Action<TopKOptions>? configure = null, int[]? layers = null) => Add(builder, TopK, configure, layers);

    /// <summary>Names a BatchTopK autoencoder for the activations of layers; with nested widths it is the Matryoshka one.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddBatchTopKAutoencoder(this LanguageModelBuilder builder, Action<BatchTopKOptions>? configure = null, int[]? layers = null) => Add(builder, BatchTopK, configure, layers);

    /// <summary>Names a JumpReLU autoencoder for the activations of layers.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddJumpReluAutoencoder(this LanguageModelBuilder builder, Action<JumpReluOptions>? configure = null, int[]? layers = null) => Add(builder, JumpRelu, configure, layers);

    /// <summary>Names a gated autoencoder for the activations of layers.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddGatedAutoencoder(this LanguageModelBuilder builder, Action<GatedOptions>? configure = null, int[]? layers = null) => Add(builder, Gated, configure, layers);

    /// <summary>Names a top-AFA autoencoder for the activations of layers.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddTopAfaAutoencoder(this LanguageModelBuilder builder, Action<TopAfaOptions>? configure = null, int[]? layers = null) => Add(builder, TopAfa, configure, layers);

    /// <summary>Names an autoencoder of the batch form of top-AFA for the activations of layers.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    [Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
    public static LanguageModelBuilder AddBatchTopAfaAutoencoder(this LanguageModelBuilder builder, Action<BatchTopAfaOptions>? configure = null, int[]? layers = null) => Add(builder, BatchTopAfa, configure, layers);

    /// <summary>Names a supervised dictionary for the activations of layers; its atoms start at zero.</summary>
    /// <inheritdoc cref="AddVanillaAutoencoder"/>
    public static LanguageModelBuilder AddSupervisedDictionary(this LanguageModelBuilder builder, Action<SupervisedOptions>? configure = null, int[]? layers = null) => Add(builder, Supervised, configure, layers);

    /// <summary>Adds every kind of LmKit.Interp, so that saved models and dictionaries which name them can be loaded.</summary>
    public static ComponentRegistry AddInterp(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in All)
            _ = registry.Add(kind);
        return registry;
    }

    // A dictionary has options of its own, since the model's stay as they were written.
    private static Kind<TOptions, IDictionary> Define<TOptions>(string name, Func<TOptions, ParameterFactory, IDictionary> create)
        where TOptions : SparseAutoencoderOptions, new() =>
        Slots.Dictionary.Define<TOptions>(name, (options, site) => create((TOptions)options.For(site), site.Parameters));

    private static LanguageModelBuilder Add<TOptions>(LanguageModelBuilder builder, Kind<TOptions, IDictionary> kind, Action<TOptions>? configure, int[]? layers)
        where TOptions : class, new()
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(kind, configure, layers);
    }
}
