using System.Text.Json;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>The models that tests change, and the changes.</summary>
internal static class ChangeLines
{
    /// <summary>Changes that keep the outputs: the kind that they add last, and the verbs.</summary>
    internal static IReadOnlyDictionary<string, (string? Kind, Action<LanguageModelBuilder> Change)> Neutral { get; } = new Dictionary<string, (string?, Action<LanguageModelBuilder>)>
    {
        ["nothing"] = (null, _ => { }),
        ["wide mask"] = ("lambda", builder => builder.AddLambdaMask(mask => mask.LocalLength = 64)),
        ["sampler"] = ("autoregressive", builder => builder.AddAutoregressiveSampler(sampler => sampler.Temperature = 0)),
        ["packed"] = ("packed", builder => builder.AddPackedLinear(packed => packed.Format = WeightFormat.Full, sites: ["mlp.*"])),
        ["packed head"] = ("packed", builder => builder.AddPackedLinear(packed => packed.Format = WeightFormat.Full, sites: [LinearSite.Head])),
        ["adapter"] = ("lora", builder => builder.UseLora(lora =>
        {
            lora.Rank = 2;
            lora.RankPattern["fc1"] = 5;
            lora.DropoutRate = 0;
        })),
        ["adapter in one layer"] = ("lora", builder => builder.UseLora(layers: [1], sites: ["fc1", "fc2"])),
        ["weight-decomposed adapter"] = ("lora", builder => builder.UseLora(lora => lora.IsWeightDecomposed = true, layers: [1], sites: ["q_proj"])),
        ["adapted head"] = ("lora", builder => builder.UseLora(lora => lora.Rank = 1, sites: [LinearSite.Head])),
        ["dictionary"] = ("top_k", builder => builder.AddTopKAutoencoder(options => options.FeatureCount = 16, layers: [1])),
        ["dropout"] = (null, builder => (builder.Options.ResidualDropoutRate, builder.Options.Seed) = (0.1, 77)),
    };

    /// <summary>Changes that change the outputs.</summary>
    internal static IReadOnlyDictionary<string, Action<LanguageModelBuilder>> Acting { get; } = new Dictionary<string, Action<LanguageModelBuilder>>
    {
        ["mask"] = builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (3, 1)),
        ["rotary"] = builder => builder.AddRotary(),
        ["alibi"] = builder => builder.AddAlibi(layers: [1]),
        ["sampler"] = builder => builder.Add(ToyComponents.Sampler),
    };

    /// <summary>Changes that cannot be: the verbs, and what the message names.</summary>
    internal static IReadOnlyDictionary<string, (Action<LanguageModelBuilder> Change, string[] Named)> Refused { get; } = new Dictionary<string, (Action<LanguageModelBuilder>, string[])>
    {
        ["a structured linear over a trained dense one"] = (builder => builder.AddMonarchLinear(sites: ["q_proj"]), ["layers.0.mixer.q_proj.weight", "(8, 8)", "drop"]),
        ["a wider feed-forward part"] = (builder => builder.AddMlp(mlp => mlp.MlpDim = 24), ["layers.0.mlp.fc1.weight", "(32, 8)", "(24, 8)", "reshape"]),
        ["another width"] = (builder => builder.ModelDim = 16, ["embeddings.word_embeddings.weight", "(11, 8)", "(11, 16)"]),
        ["another vocabulary"] = (builder => builder.VocabSize = 12, ["embeddings.word_embeddings.weight", "(11, 8)", "(12, 8)"]),
        ["one layer less"] = (builder => builder.LayerCount = 1, ["layers.1.", "drop"]),
        ["one layer more"] = (builder => builder.LayerCount = 3, ["layers.2.", "wrappers"]),
        ["an untied head"] = (builder => builder.Options.IsHeadTied = false, ["lm_head.weight", "(11, 8)", "wrappers"]),
        ["a table of positions"] = (builder => builder.AddLearnedPositions(16), ["(16, 8)", "wrappers"]),
        ["another mixer"] = (builder => builder.AddH3(h3 => h3.StateDim = 4, layers: [1]), ["layers.1.mixer"]),
        ["a dtype"] = (builder => builder.Dtype = ScalarType.Float64, ["LanguageModelBuilder", "Dtype"]),
        ["a device"] = (builder => builder.Device = new Device(DeviceType.META), ["LanguageModelBuilder", "Device"]),
        ["an option out of range"] = (builder => builder.UseLora(lora => lora.Rank = 0), ["LoraOptions.Rank = 0"]),
        ["a size out of range"] = (builder => builder.LayerCount = 1_000_000_000, ["LanguageModelOptions.LayerCount = 1000000000"]),
        ["a layer that is not there"] = (builder => builder.AddLambdaMask(layers: [7]), ["7 is not a layer"]),
        ["a site that is not there"] = (builder => builder.UseLora(sites: ["nowhere"]), ["'nowhere' names no linear"]),
        ["a dictionary of another width"] = (builder => builder.AddTopKAutoencoder(options => (options.ModelDim, options.FeatureCount) = (5, 9)), ["TopKOptions.ModelDim = 5", "model_dim", "LanguageModelOptions.ModelDim = 8"]),
    };

    internal static void Kinds(ComponentRegistry kinds) => kinds.AddSsm().AddStructured().AddLongContext().AddTuning().AddInterp().AddToys();

    internal static LanguageModelBuilder Builder(string name)
    {
        var builder = ToyModel.Builder(2, name.Contains("bfloat16", StringComparison.Ordinal) ? ScalarType.BFloat16 : ScalarType.Float32).AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsHeadTied = name != "untied";
        return name switch
        {
            "adapted" => builder.UseLora(lora => (lora.Rank, lora.Alpha) = (2, 8)),
            "monarch" => builder.AddMonarchLinear(monarch => monarch.BlockCount = 2, sites: ["k_proj", "out_proj"]),
            _ when name.StartsWith("hybrid", StringComparison.Ordinal) => builder.AddH3(h3 => h3.StateDim = 4, layers: [0]),
            _ => builder,
        };
    }

    /// <summary>A model whose adapters act, as after training.</summary>
    internal static LanguageModel Model(string name)
    {
        var model = Builder(name).Build();
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(9);
        foreach (var (key, parameter) in model.named_parameters())
        {
            if (key.EndsWith("lora_B", StringComparison.Ordinal))
                parameter.copy_(randn(parameter.shape, generator: random) * 0.3);
        }
        return model;
    }

    internal static Tensor Tokens() => (arange(2 * 12, dtype: ScalarType.Int64).view(2, 12) * 7).remainder(ToyModel.VocabSize);

    internal static Tensor Logits(LanguageModel model)
    {
        using var frozen = no_grad();
        return model.call(Tokens(), null);
    }

    internal static long[] Greedy(LanguageModel model)
    {
        long[] last = [];
        using var random = new Generator(1);
        foreach (var grid in model.CreateSampler().Sample(Tokens(), 6, random))
        {
            using (grid)
                last = grid.data<long>().ToArray();
        }
        return last;
    }

    /// <summary>Splits a folder's weights into two files and an index.</summary>
    internal static void Shard(string folder)
    {
        var path = Path.Combine(folder, "model.safetensors");
        var map = new SortedDictionary<string, string>(StringComparer.Ordinal);
        using (var scope = NewDisposeScope())
        {
            var reader = new SafetensorsReader(path);
            var all = reader.ReadAll();
            reader.Dispose();
            foreach (var part in all.OrderBy(pair => pair.Key, StringComparer.Ordinal).Chunk((all.Count / 2) + 1).Select((pairs, index) => (pairs, name: $"part-{index}.safetensors")))
            {
                SafetensorsWriter.Save(Path.Combine(folder, part.name), part.pairs.ToDictionary());
                foreach (var (name, _) in part.pairs)
                    map[name] = part.name;
            }
        }
        File.Delete(path);
        File.WriteAllText(path + ".index.json", JsonSerializer.Serialize(new { metadata = new { total_size = 0 }, weight_map = map }));
    }
}
