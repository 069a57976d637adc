using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Readers of activations, dictionaries and published autoencoders.</summary>
internal static class DictionaryTargets
{
    // Target, file or folder among the golden files, where it goes in the case, and what the reader is given.
    private static readonly (string Name, string[] Files, string Given)[] Published =
    [
        ("sae-dictionary_learning", ["dictionary_learning/ae.pt", "dictionary_learning/config.json"], ""),
        ("sae-gemma_scope", ["gemma_scope/params.npz"], "params.npz"),
        ("sae-llama_scope", ["llama_scope/final.safetensors", "llama_scope/hyperparams.json"], ""),
        ("sae-openai", ["openai/7.pt"], "7.pt"),
        ("sae-sae_lens_gated", ["sae_lens_gated/cfg.json", "sae_lens_gated/sae_weights.safetensors"], ""),
        ("sae-sae_lens_jumprelu", ["sae_lens_jumprelu/cfg.json", "sae_lens_jumprelu/sae_weights.safetensors"], ""),
        ("sae-sae_lens_legacy_topk", ["sae_lens_legacy_topk/cfg.json", "sae_lens_legacy_topk/sae_weights.safetensors"], ""),
        ("sae-sae_lens_standard", ["sae_lens_standard/cfg.json", "sae_lens_standard/sae_weights.safetensors"], ""),
        ("sae-sparsify", ["sparsify/layers.1/cfg.json", "sparsify/layers.1/sae.safetensors"], ""),
        ("sae-topafa", ["topafa/config.json", "topafa/sae.pt"], ""),
    ];

    internal static IEnumerable<FuzzTarget> All =>
    [
        new("activation-store", WriteStores, ReadStore),
        new("dictionary-folder", WriteDictionaries, (folder, _) =>
        {
            using var dictionary = (nn.Module)DictionaryFolder.Load(folder);
            var config = DictionaryFolder.ReadConfig(folder);
            return new Digest().Add("kind", config.Kind).Add("hook", config.HookName).Add("model", config.ModelName).Add(dictionary).ToString();
        }),
        .. Published.Select(published => new FuzzTarget(published.Name, root =>
        {
            foreach (var file in published.Files)
                Golden.Copy($"interp/ckpt/{file}", Path.Combine(root, "published", Path.GetFileName(file)));
        }, (folder, _) => ReadAutoencoder(Path.Combine(folder, published.Given)))),
        new("sae-written", root =>
        {
            using var random = new Generator(3);
            using var autoencoder = new JumpReluAutoencoder(new JumpReluOptions { ModelDim = 4, FeatureCount = 6 }, new ParameterFactory(random));
            SaeLensWriter.Save(Path.Combine(root, "jump_relu"), autoencoder, "blocks.0.hook_resid_post", "toy");
        }, (folder, _) => ReadAutoencoder(folder)),
    ];

    private static string ReadAutoencoder(string path)
    {
        using var loaded = AutoencoderFile.Load(path.TrimEnd(Path.DirectorySeparatorChar));
        var digest = new Digest().Add("layout", loaded.Layout).Add("hook", loaded.HookName).Add("model", loaded.ModelName);
        return digest.Add("kind", loaded.Autoencoder.GetType().Name).Add(loaded.Autoencoder).ToString();
    }

    private static void WriteStores(string root)
    {
        using var scope = NewDisposeScope();
        var values = arange(20, ScalarType.Float32).reshape(10, 2) / 8;
        Write("plain", new ActivationStoreInfo("toy", "layers.0.resid_post", 2, ShardRows: 4), new ActivationRows(values));
        var ids = arange(10, ScalarType.Int64);
        var rows = arange(84, ScalarType.Float32).reshape(21, 4) / 8;
        var places = arange(21, ScalarType.Int64);
        Write("shards", new ActivationStoreInfo("m", "h", 4, ShardRows: 8, HasTokens: true), new ActivationRows(rows, places.remainder(5), places.div(5, RoundingMode.floor), places.remainder(5)));
        Write("tokens", new ActivationStoreInfo("toy", "layers.0.resid_post", 2, ShardRows: 6, ActivationPrecision.Half, HasTokens: true), new ActivationRows(values, ids.remainder(5), ids.div(5, RoundingMode.floor), ids.remainder(5)));

        void Write(string seed, ActivationStoreInfo info, ActivationRows rows)
        {
            using var writer = new ActivationStoreWriter(Path.Combine(root, seed), info);
            writer.Append(rows);
            writer.Complete();
        }
    }

    private static string ReadStore(string folder, string seed)
    {
        using var store = new ActivationStore(folder, seed: 3);
        var count = Math.Min(store.Manifest.RowCount, 100);
        using var rows = store.NextRows(count);
        var digest = new Digest().Add("info", store.Manifest.Info).Add("values", rows.Values);
        return (rows.Tokens is null ? digest : digest.Add("tokens", rows.Tokens).Add("sequences", rows.Sequences!).Add("positions", rows.Positions!)).ToString();
    }

    private static void WriteDictionaries(string root)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var parameters = new ParameterFactory(random);
        Save("batch_top_afa", new BatchTopAfaAutoencoder(Sized(new BatchTopAfaOptions()), parameters));
        Save("batch_top_k", new BatchTopKAutoencoder(Sized(new BatchTopKOptions { ActiveCount = 2 }), parameters));
        Save("gated", new GatedAutoencoder(Sized(new GatedOptions()), parameters));
        Save("jump_relu", new JumpReluAutoencoder(Sized(new JumpReluOptions()), parameters));
        Save("top_afa", new TopAfaAutoencoder(Sized(new TopAfaOptions()), parameters));
        Save("top_k", new TopKAutoencoder(new TopKOptions { ModelDim = 6, FeatureCount = 12, ActiveCount = 2 }, parameters));
        Save("vanilla", new VanillaAutoencoder(Sized(new VanillaOptions()), parameters));
        using var supervised = SupervisedDictionary.Fit(randn([40, 6], ScalarType.Float64, generator: random), randint(0, 3, [40, 2], ScalarType.Int64, generator: random), [new("a", [0], [3]), new("a+b", [0, 1], [3, 3])]);
        DictionaryFolder.Save(Path.Combine(root, "supervised"), supervised);

        void Save(string seed, SparseAutoencoder made)
        {
            using var dictionary = made;
            DictionaryFolder.Save(Path.Combine(root, seed), dictionary, "layers.1.mixer.z", "toy");
        }
    }

    private static T Sized<T>(T options)
        where T : SparseAutoencoderOptions
    {
        (options.ModelDim, options.FeatureCount) = (4, 6);
        return options;
    }
}
