using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Adapter folders for published models, under the published names of their modules, against sums that are written into the published
/// weights by hand.</summary>
[NoTensorLeak]
public sealed class PublishedAdapterTests
{
    private const double Tolerance = 1e-12;

    // Gemma and LLaMA have a module of the file for each of ours; the others join several.
    public static TheoryData<string, string[]> Targets => new()
    {
        { "llama-gqa", ["q_proj", "k_proj", "o_proj", "down_proj"] },
        { "gpt2-base", ["c_attn", "attn.c_proj", "c_fc"] },
        { "pythia-parallel", ["query_key_value", "dense", "dense_4h_to_h"] },
        { "gemma2", ["v_proj", "gate_proj"] },
        { "gemma3-text", ["q_proj", "up_proj"] },
        { "phi3-window", ["qkv_proj", "gate_up_proj", "o_proj"] },
        { "bloom", ["query_key_value"] },
        { "mpt", ["Wqkv", "up_proj"] },
        { "gptj", ["fc_in", "lm_head"] },
    };

    [Theory]
    [MemberData(nameof(Targets))]
    [Trait("Category", "Golden")]
    public void A_folder_of_the_published_names_acts_as_its_sums_in_the_published_weights(string name, string[] targets)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = PublishedScene.PathOf(name);
        WriteAdapter(path, folder.Path, targets);
        var config = AdapterFile.ReadConfig(folder.Path);
        var layout = PublishedLayout.Read(path);
        using var scene = PublishedScene.Load(name, builder => builder.UseLora(config, layout));
        var plain = scene.Whole();
        AdapterFile.Load(scene.Model, folder.Path, scene.Published.Layout);
        using var summed = Summed(path, folder.Path);
        var expected = Logits(summed.Model, scene);

        Assert.True(PublishedScene.Distance(plain, expected) > 1e-3);
        Close.Check("loaded", expected, scene.Whole(), relativeToLargest: Tolerance);
        Close.Check("stepped", expected, scene.Stepped(1), relativeToLargest: Tolerance);
        _ = LoraAdapters.Merge(scene.Model);
        Close.Check("merged", expected, scene.Whole(), relativeToLargest: Tolerance);

        using var again = new TemporaryFolder();
        AdapterFile.Save(scene.Model, again.Path, layout, config);
        using var before = new SafetensorsReader(Path.Combine(folder.Path, "adapter_model.safetensors"));
        using var after = new SafetensorsReader(Path.Combine(again.Path, "adapter_model.safetensors"));
        Assert.Equal(before.Entries.Select(entry => entry.Name).Order(), after.Entries.Select(entry => entry.Name).Order());
        Assert.All(before.Entries, entry => Close.Check(entry.Name, before.Read(entry.Name), after.Read(entry.Name)));
    }

    [Theory]
    [MemberData(nameof(Targets))]
    [Trait("Category", "Golden")]
    public void Adapters_that_were_trained_here_are_saved_under_the_published_names_for_whoever_has_the_published_model(string name, string[] targets)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = PublishedScene.PathOf(name);
        var layout = PublishedLayout.Read(path);
        using var scene = PublishedScene.Load(name, builder => builder.UseLora(lora => (lora.Rank, lora.RankPattern) = (3, new() { ["out_proj"] = 2 }), name == "gptj" ? ["fc1", "lm_head"] : null));
        PublishedLinearTests.Fill(scene.Model);
        AdapterFile.Save(scene.Model, folder.Path, layout);
        var config = AdapterFile.ReadConfig(folder.Path);
        using var summed = Summed(path, folder.Path);
        using var loaded = PublishedScene.Load(name, builder => builder.UseLora(config, layout));
        AdapterFile.Load(loaded.Model, folder.Path, layout);

        Assert.Contains(targets[0], string.Join(' ', config.TargetModules), StringComparison.Ordinal);
        Assert.Equal(name == "gpt2-base", config.IsTransposed);
        Close.Check("sums", scene.Whole(), Logits(summed.Model, scene), relativeToLargest: Tolerance);
        Close.Check("loaded", scene.Whole(), loaded.Whole(), relativeToLargest: Tolerance);
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Ranks_and_alphas_by_published_names_are_obeyed()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var path = PublishedScene.PathOf("llama-gqa");
        WriteAdapter(path, folder.Path, ["q_proj", "v_proj"], rank => rank with
        {
            Lora = new LoraOptions { Rank = 4, Alpha = 8, RankPattern = new() { ["layers.1.self_attn.q_proj"] = 2 }, AlphaPattern = new() { ["v_proj"] = 5 } },
        });
        var config = AdapterFile.ReadConfig(folder.Path);
        var layout = PublishedLayout.Read(path);
        using var scene = PublishedScene.Load("llama-gqa", builder => builder.UseLora(config, layout));
        AdapterFile.Load(scene.Model, folder.Path, layout);
        using var summed = Summed(path, folder.Path);

        Assert.Equal([4, 4, 2, 4], LoraAdapters.Of(scene.Model).Select(entry => entry.Adapter.Rank));
        Close.Check("loaded", Logits(summed.Model, scene), scene.Whole(), relativeToLargest: Tolerance);
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void What_a_folder_cannot_say_of_a_joined_module_is_refused_by_both_names()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var layout = PublishedLayout.Read(PublishedScene.PathOf("gpt2-base"));
        using var some = PublishedScene.Load("gpt2-base", builder => builder.UseLora(sites: ["q_proj", "v_proj"]));
        using var unlike = PublishedScene.Load("gpt2-base", builder => builder.UseLora(lora => lora.AlphaPattern = new() { ["k_proj"] = 7 }));
        WriteAdapter(PublishedScene.PathOf("gpt2-base"), folder.Path, ["c_attn"]);
        var config = AdapterFile.ReadConfig(folder.Path);

        var missing = Assert.Throws<AdapterException>(() => AdapterFile.Save(some.Model, folder.Path, layout));
        Assert.Contains("transformer.h.0.attn.c_attn is layers.0.mixer.q_proj, layers.0.mixer.k_proj, layers.0.mixer.v_proj here, and layers.0.mixer.k_proj has no adapter", missing.Message, StringComparison.Ordinal);
        var other = Assert.Throws<AdapterException>(() => AdapterFile.Save(unlike.Model, folder.Path, layout));
        Assert.Contains("the scale of layers.0.mixer.k_proj is not that of layers.0.mixer.q_proj", other.Message, StringComparison.Ordinal);
        var unknown = Assert.Throws<ArgumentException>(() => new LanguageModelBuilder().UseLora(config with { TargetModules = ["q_proj"] }, layout));
        Assert.Contains("target_modules (q_proj) names no linear of this gpt2; its linears are ", unknown.Message, StringComparison.Ordinal);
        Assert.Contains("c_attn", unknown.Message, StringComparison.Ordinal);
        using var fewer = PublishedScene.Load("gpt2-base", builder => builder.UseLora(config, layout));
        WriteAdapter(PublishedScene.PathOf("gpt2-base"), folder.Path, ["c_attn", "c_fc"]);
        var left = Assert.Throws<CheckpointMismatchException>(() => AdapterFile.Load(fewer.Model, folder.Path, layout));
        Assert.Contains("base_model.model.transformer.h.0.mlp.c_fc.lora_A.weight", left.Message, StringComparison.Ordinal);
    }

    private static Tensor Logits(LanguageModel model, PublishedScene scene)
    {
        using var quiet = no_grad();
        return model.call(scene.Expected("input_ids"), null);
    }

    // An adapter as PEFT writes it: for each linear of the file whose name ends with a target, A (r, I) and B (O, r).
    private static void WriteAdapter(string model, string folder, string[] targets, Func<AdapterConfig, AdapterConfig>? more = null)
    {
        var config = new AdapterConfig(new LoraOptions { Rank = 2, Alpha = 3 }, targets);
        config = more?.Invoke(config) ?? config;
        using var random = new Generator(3);
        using var weights = new SafetensorsReader(Path.Combine(model, "model.safetensors"));
        var tensors = new Dictionary<string, Tensor>();
        foreach (var entry in weights.Entries.Where(entry => entry.Shape.Count == 2 && entry.Name.EndsWith(".weight", StringComparison.Ordinal)).OrderBy(entry => entry.Name, StringComparer.Ordinal))
        {
            var module = WithPrefix(model, entry.Name[..^".weight".Length]);
            if (!config.Targets(module))
                continue;
            var (outputs, inputs) = IsTransposed(model) ? (entry.Shape[1], entry.Shape[0]) : (entry.Shape[0], entry.Shape[1]);
            var rank = config.Lora.RankPattern.FirstOrDefault(pair => module.EndsWith(pair.Key, StringComparison.Ordinal)).Value is > 0 and var own ? own : config.Lora.Rank;
            tensors[$"base_model.model.{module}.lora_A.weight"] = randn([rank, inputs], generator: random) * 0.3;
            tensors[$"base_model.model.{module}.lora_B.weight"] = randn([outputs, rank], generator: random) * 0.3;
        }
        Assert.NotEmpty(tensors);
        File.WriteAllText(Path.Combine(folder, "adapter_config.json"), config.ToJson());
        SafetensorsWriter.Save(Path.Combine(folder, "adapter_model.safetensors"), tensors);
    }

    // The published model with the adapter's sums in its weights, in float64.
    private static PublishedModel Summed(string model, string adapter)
    {
        using var folder = new TemporaryFolder();
        var config = AdapterFile.ReadConfig(adapter);
        File.Copy(Path.Combine(model, "config.json"), Path.Combine(folder.Path, "config.json"));
        using var weights = new SafetensorsReader(Path.Combine(model, "model.safetensors"));
        using var factors = new SafetensorsReader(Path.Combine(adapter, "adapter_model.safetensors"));
        var tensors = weights.ReadAll();
        var count = 0;
        foreach (var name in tensors.Keys.ToList())
        {
            var module = name.EndsWith(".weight", StringComparison.Ordinal) ? WithPrefix(model, name[..^".weight".Length]) : "";
            var first = $"base_model.model.{module}.lora_A.weight";
            if (tensors[name].dtype == ScalarType.Float32)
                tensors[name] = tensors[name].to(ScalarType.Float64);
            if (!factors.Entries.Any(entry => entry.Name == first))
                continue;
            var a = factors.Read(first).to(ScalarType.Float64);
            var b = factors.Read(first.Replace("lora_A", "lora_B", StringComparison.Ordinal)).to(ScalarType.Float64);
            var alpha = config.Lora.AlphaPattern.FirstOrDefault(pair => module.EndsWith(pair.Key, StringComparison.Ordinal) || module == pair.Key.Replace("\\.", ".", StringComparison.Ordinal)).Value is not 0 and var own ? own : config.Lora.Alpha;
            var sum = b.mm(a) * (alpha / a.size(0));
            tensors[name] += IsTransposed(model) ? sum.t() : sum;
            count++;
        }
        Assert.Equal(factors.Entries.Count, 2 * count);
        SafetensorsWriter.Save(Path.Combine(folder.Path, "model.safetensors"), tensors);
        return PublishedModel.Load(folder.Path);
    }

    private static bool IsTransposed(string model) => model.Contains("gpt2", StringComparison.Ordinal);

    // The files of these families are of the model without a head; adapters are of the one with it.
    private static string WithPrefix(string model, string module) =>
        (model.Contains("gpt2", StringComparison.Ordinal) || model.Contains("bloom", StringComparison.Ordinal)) && !module.StartsWith("transformer.", StringComparison.Ordinal) ? $"transformer.{module}" : module;
}
