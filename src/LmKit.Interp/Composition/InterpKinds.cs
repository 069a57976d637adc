namespace LmKit;

/// <summary>The kinds of dictionaries of LmKit.Interp.</summary>
public static class InterpKinds
{
    /// <summary>ReLU with a penalty; the April 2024 update and the attribution autoencoder are its options.</summary>
    public static readonly DictionaryKind<VanillaOptions> Vanilla = new("vanilla", (options, parameters) => new VanillaAutoencoder(options, parameters));

    /// <summary>TopK.</summary>
    public static readonly DictionaryKind<TopKOptions> TopK = new("top_k", (options, parameters) => new TopKAutoencoder(options, parameters));

    /// <summary>BatchTopK, and with nested widths Matryoshka.</summary>
    public static readonly DictionaryKind<BatchTopKOptions> BatchTopK = new("batch_top_k", (options, parameters) => new BatchTopKAutoencoder(options, parameters));

    /// <summary>JumpReLU.</summary>
    public static readonly DictionaryKind<JumpReluOptions> JumpRelu = new("jump_relu", (options, parameters) => new JumpReluAutoencoder(options, parameters));

    /// <summary>Gated.</summary>
    public static readonly DictionaryKind<GatedOptions> Gated = new("gated", (options, parameters) => new GatedAutoencoder(options, parameters));

    /// <summary>Top-AFA.</summary>
    public static readonly DictionaryKind<TopAfaOptions> TopAfa = new("top_afa", (options, parameters) => new TopAfaAutoencoder(options, parameters));

    /// <summary>The batch form of top-AFA.</summary>
    [System.Diagnostics.CodeAnalysis.Experimental("LMKIT0001", UrlFormat = "docs/experimental/{0}.md")]
    public static readonly DictionaryKind<BatchTopAfaOptions> BatchTopAfa = new("batch_top_afa", (options, parameters) => new BatchTopAfaAutoencoder(options, parameters));

    /// <summary>Supervised.</summary>
    public static readonly DictionaryKind<SupervisedOptions> Supervised = new("supervised", SupervisedDictionary.Empty);

    internal static IReadOnlyList<DictionaryKind> All { get; } = [Vanilla, TopK, BatchTopK, JumpRelu, Gated, TopAfa, BatchTopAfa, Supervised];
}
