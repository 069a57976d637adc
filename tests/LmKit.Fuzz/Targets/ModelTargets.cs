using System.Text.Json.Nodes;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Readers of model folders, adapters, carried states and published models.</summary>
internal static class ModelTargets
{
    private const string Config = "config.json";
    private const string Weights = "model.safetensors";
    private const string State = "s.safetensors";
    private static readonly string FirstFormat = Path.Combine(CorpusStore.Project, "formats", "model-1");

    internal static IEnumerable<FuzzTarget> All =>
    [
        new("model-config", root =>
        {
            WriteModels(root);
            WriteFirstFormat(root);
        }, ReadModel) { Mutates = name => name == Config },
        new("model-weights", WriteModels, ReadModel) { Mutates = name => name == Weights },
        new("model-sharded", WriteSharded, ReadModel),
        new("model-foreign", WriteForeign, ReadModel) { IsForeign = true },
        new("mixer-state", WriteState, ReadState),
        new("adapter", WriteAdapters, (folder, seed) =>
        {
            using var model = ToyModels.Attention(Adapters[seed]);
            AdapterFile.Load(model, folder);
            return new Digest().Add(model).Add("config", Text(AdapterFile.ReadConfig(folder))).ToString();
        }),
        new("adapter-golden", root =>
        {
            foreach (var name in new[] { "adapter_config.json", "adapter_model.safetensors" })
                Golden.Copy($"tuning/peft_adapter/{name}", Path.Combine(root, "peft", name));
        }, (folder, _) =>
        {
            using var model = new PublishedTree(Golden.Path("tuning/peft_adapter"));
            AdapterFile.Load(model, folder);
            return new Digest().Add(model).ToString();
        }),
        new("adapter-config", WriteAdapterConfigs, (folder, _) =>
        {
            var config = AdapterConfig.Read(Path.Combine(folder, "adapter_config.json"));
            return $"{Text(config)} {config.Targets("layers.0.self_attn.q_proj")} {config.Targets("lm_head")}";
        }),
        new("h3-checkpoint", WriteH3, (folder, _) =>
        {
            using var checkpoint = H3Checkpoint.Open(Path.Combine(folder, "h3.safetensors"));
            var report = checkpoint.Validate(checkpoint.Sizes with { HeadCount = 2 });
            using var model = checkpoint.Load(headCount: 2);
            return new Digest().Add("layout", checkpoint.Layout).Add("sizes", checkpoint.Sizes with { AttentionLayers = [] }).Add("faults", report.Faults.Count).Add(model).ToString();
        }),
    ];

    private static Dictionary<string, Action<LoraOptions>> Adapters => new()
    {
        ["dora"] = lora => (lora.Rank, lora.Alpha, lora.IsWeightDecomposed, lora.IsRankStabilized) = (2, 6, true, true),
        ["plain"] = lora => (lora.Rank, lora.Alpha, lora.HasBias) = (2, 4, true),
    };

    private static string Text(AdapterConfig config)
    {
        var lora = config.Lora;
        var patterns = string.Join(',', lora.RankPattern.Select(pair => $"{pair}").Concat(lora.AlphaPattern.Select(pair => $"{pair}")));
        return FormattableString.Invariant($"{lora.Rank} {lora.Alpha} {lora.DropoutRate} {lora.IsRankStabilized} {lora.IsWeightDecomposed} {lora.HasBias} {patterns} {string.Join(',', config.TargetModules)} {config.TargetPattern} {config.BaseModel}");
    }

    private static string ReadModel(string folder, string seed)
    {
        using var model = LanguageModel.Load(folder, ToyModels.Kinds);
        var kinds = model.Config.Components.Select(entry => $"{entry.Slot}:{entry.Kind}");
        return new Digest().Add("components", string.Join(' ', kinds)).Add(model).ToString();
    }

    private static void WriteModels(string root)
    {
        using var hybrid = ToyModels.Hybrid().Build();
        hybrid.Save(Path.Combine(root, "hybrid"));
        using var attention = ToyModels.Attention();
        attention.Save(Path.Combine(root, "attention"));
        using var trio = ToyModels.Trio().Build();
        trio.Save(Path.Combine(root, "trio"));
    }

    // Folders as versions before the present format of configurations wrote them; they stay valid.
    private static void WriteFirstFormat(string root)
    {
        foreach (var file in Directory.EnumerateFiles(FirstFormat, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(root, $"first-{Path.GetRelativePath(FirstFormat, file)}");
            _ = Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static void WriteSharded(string root)
    {
        using var scope = NewDisposeScope();
        using var model = ToyModels.Attention();
        var whole = Path.Combine(root, "sharded");
        model.Save(whole);
        var tensors = model.state_dict();
        var map = new JsonObject();
        foreach (var (part, index) in tensors.Chunk((tensors.Count + 1) / 2).Select((part, index) => (part, index)))
        {
            var name = $"model-0000{index + 1}-of-00002.safetensors";
            SafetensorsWriter.Save(Path.Combine(whole, name), part.ToDictionary(pair => pair.Key, pair => pair.Value), new Dictionary<string, string> { ["format"] = "pt" });
            foreach (var (tensor, _) in part)
                map[tensor] = name;
        }
        File.Delete(Path.Combine(whole, Weights));
        File.WriteAllText(Path.Combine(whole, Weights + ".index.json"), new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 4096 }, ["weight_map"] = map }.ToJsonString());
    }

    // Folders of other libraries: they are refused, and told apart from broken ones.
    private static void WriteForeign(string root)
    {
        using var scope = NewDisposeScope();
        using var model = ToyModels.Attention();
        var tensors = model.state_dict();
        var foreign = Path.Combine(root, "hugging-face");
        _ = Directory.CreateDirectory(foreign);
        File.WriteAllText(Path.Combine(foreign, Config), """{"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "vocab_size": 11}""");
        SafetensorsWriter.Save(Path.Combine(foreign, Weights), new Dictionary<string, Tensor> { ["transformer.wte.weight"] = zeros(11, 8) });
    }

    private static void WriteState(string root)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModels.Mixers().Build();
        model.eval();
        using var state = model.NewState(2);
        _ = model.call(ToyModels.Tokens(2, 5), new SequenceContext(state));
        _ = Directory.CreateDirectory(Path.Combine(root, "mixers"));
        StateFile.Save(Path.Combine(root, "mixers", State), state);
    }

    private static string ReadState(string folder, string seed)
    {
        using var model = ToyModels.Mixers().Build();
        using var state = model.NewState(2);
        StateFile.Restore(Path.Combine(folder, State), state);
        return new Digest().Add(state.Tensors).Add("position", state.Position).ToString();
    }

    private static void WriteAdapters(string root)
    {
        foreach (var (seed, lora) in Adapters)
        {
            using var model = ToyModels.Attention(lora);
            AdapterFile.Save(model, Path.Combine(root, seed));
        }
    }

    private static void WriteAdapterConfigs(string root)
    {
        var patterns = new AdapterConfig(new LoraOptions { Rank = 4, RankPattern = { ["q_proj"] = 2 }, AlphaPattern = { ["k_proj"] = 3.5 } }, [], @"layers\.[0-9]+\.self_attn\..*", "base/model");
        Write("patterns", patterns.ToJson());
        Write("all-linear", new AdapterConfig(new LoraOptions(), []).ToJson());
        Golden.Copy("tuning/peft_adapter/adapter_config.json", Path.Combine(root, "peft", "adapter_config.json"));

        void Write(string seed, string json)
        {
            _ = Directory.CreateDirectory(Path.Combine(root, seed));
            File.WriteAllText(Path.Combine(root, seed, "adapter_config.json"), json);
        }
    }

    private static void WriteH3(string root)
    {
        foreach (var (seed, golden) in new[] { ("published", "hybrid_2l_small"), ("legacy", "hybrid_2l_small_legacy_names") })
        {
            using var scope = NewDisposeScope();
            using var reader = new SafetensorsReader(Golden.Path($"ssm/{golden}.safetensors"));
            _ = Directory.CreateDirectory(Path.Combine(root, seed));
            var tensors = reader.ReadAll().Where(pair => !pair.Key.StartsWith("out.", StringComparison.Ordinal)).ToDictionary(pair => pair.Key, pair => pair.Value);
            SafetensorsWriter.Save(Path.Combine(root, seed, "h3.safetensors"), tensors);
        }
    }
}
