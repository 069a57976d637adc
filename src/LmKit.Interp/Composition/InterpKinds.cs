namespace LmKit;

/// <summary>The kinds of dictionaries of LmKit.Interp.</summary>
public static class InterpKinds
{
    /// <summary>ReLU with a penalty; the April 2024 update and the attribution autoencoder are its options.</summary>
    public static readonly Kind<VanillaOptions, IDictionary> Vanilla = Slots.Dictionary.Define<VanillaOptions>("vanilla", (options, site) => new VanillaAutoencoder(options, site.Parameters));

    /// <summary>TopK.</summary>
    public static readonly Kind<TopKOptions, IDictionary> TopK = Slots.Dictionary.Define<TopKOptions>("top_k", (options, site) => new TopKAutoencoder(options, site.Parameters));

    /// <summary>BatchTopK, and with nested widths Matryoshka.</summary>
    public static readonly Kind<BatchTopKOptions, IDictionary> BatchTopK = Slots.Dictionary.Define<BatchTopKOptions>("batch_top_k", (options, site) => new BatchTopKAutoencoder(options, site.Parameters));

    /// <summary>JumpReLU.</summary>
    public static readonly Kind<JumpReluOptions, IDictionary> JumpRelu = Slots.Dictionary.Define<JumpReluOptions>("jump_relu", (options, site) => new JumpReluAutoencoder(options, site.Parameters));

    /// <summary>Gated.</summary>
    public static readonly Kind<GatedOptions, IDictionary> Gated = Slots.Dictionary.Define<GatedOptions>("gated", (options, site) => new GatedAutoencoder(options, site.Parameters));

    /// <summary>Top-AFA.</summary>
    public static readonly Kind<TopAfaOptions, IDictionary> TopAfa = Slots.Dictionary.Define<TopAfaOptions>("top_afa", (options, site) => new TopAfaAutoencoder(options, site.Parameters));

    /// <summary>The batch form of top-AFA.</summary>
    [System.Diagnostics.CodeAnalysis.Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
    public static readonly Kind<BatchTopAfaOptions, IDictionary> BatchTopAfa = Slots.Dictionary.Define<BatchTopAfaOptions>("batch_top_afa", (options, site) => new BatchTopAfaAutoencoder(options, site.Parameters));

    /// <summary>Supervised.</summary>
    public static readonly Kind<SupervisedOptions, IDictionary> Supervised = Slots.Dictionary.Define<SupervisedOptions>("supervised", (options, site) => SupervisedDictionary.Empty(options, site.Parameters));

    internal static IReadOnlyList<Kind<IDictionary>> All { get; } = [Vanilla, TopK, BatchTopK, JumpRelu, Gated, TopAfa, BatchTopAfa, Supervised];

    /// <summary>Adds every kind of LmKit.Interp, so that saved models and dictionaries which name them can be loaded.</summary>
    public static ComponentRegistry AddInterp(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        foreach (var kind in All)
            _ = registry.Add(kind);
        return registry;
    }
}
