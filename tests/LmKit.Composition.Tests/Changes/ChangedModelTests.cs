using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A trained model takes a change by the builder's verbs, from its folder and in memory.</summary>
[NoTensorLeak]
public sealed class ChangedModelTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-change-").FullName;

    /// <summary>Changes after which the model computes what it did: kind added, the base's name, the change, and how far rounding may go.</summary>
    public static TheoryData<string, string> Neutral
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var model in new[] { "tied", "untied", "adapted", "hybrid", "monarch" })
            {
                foreach (var change in ChangeLines.Neutral.Keys)
                    data.Add(model, change);
            }
            foreach (var model in new[] { "bfloat16", "hybrid bfloat16" })
            {
                foreach (var change in ChangeLines.Neutral.Keys.Where(change => !change.Contains("packed", StringComparison.Ordinal)))
                    data.Add(model, change);
            }
            return data;
        }
    }

    public static TheoryData<string> Refused => [.. ChangeLines.Refused.Keys];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Neutral))]
    public void A_change_that_acts_on_nothing_leaves_the_outputs(string name, string line)
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model(name);
        var (kind, change) = ChangeLines.Neutral[line];
        var before = ChangeLines.Logits(model);
        var values = Values(model);
        model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, change);
        using var changed = model.With(change);

        var rounding = line.Contains("packed", StringComparison.Ordinal) ? 1e-4 : name.Contains("bfloat16", StringComparison.Ordinal) && kind == "lora" ? 0.05 : 1e-5; // H3's transforms depend on where their memory lies
        foreach (var one in new[] { loaded, changed })
        {
            Close.Check(line, before, ChangeLines.Logits(one), absolute: rounding);
            Assert.True(kind is null || one.Config.Components[^1].Kind == kind, one.Config.ToJson());
            Assert.Equal(values.Count, CountKept(values, one));
            Assert.False(one.training);
        }
        Assert.Equal(Values(loaded).ToDictionary(pair => pair.Key, pair => pair.Value.dtype), Values(changed).ToDictionary(pair => pair.Key, pair => pair.Value.dtype));
        // The changed model is a model like any other: its folder loads without the change.
        changed.Save(folder);
        using var again = LanguageModel.Load(folder, ChangeLines.Kinds);
        Assert.Equal(changed.Config, again.Config);
        Close.Check("loaded again", ChangeLines.Logits(changed), ChangeLines.Logits(again), absolute: 1e-5);
        Assert.Throws<ObjectDisposedException>(() => ChangeLines.Logits(model));
    }

    [Theory]
    [InlineData("mask")]
    [InlineData("rotary")]
    [InlineData("alibi")]
    [InlineData("sampler")]
    public void A_change_that_acts_gives_what_building_with_it_gives(string line)
    {
        using var scope = NewDisposeScope();
        var change = ChangeLines.Acting[line];
        using var model = ChangeLines.Model("untied");
        model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, change);
        var builder = ChangeLines.Builder("untied");
        change(builder);
        using var built = builder.Build();
        CheckpointLoader.Load(built, Path.Combine(folder, "model.safetensors"));
        using var changed = model.With(change);

        var wanted = ChangeLines.Logits(built);
        Assert.True(wanted.Equals(ChangeLines.Logits(loaded)));
        Assert.True(wanted.Equals(ChangeLines.Logits(changed)));
        Assert.Equal(ChangeLines.Greedy(built), ChangeLines.Greedy(loaded));
        Assert.Equal(ChangeLines.Greedy(built), ChangeLines.Greedy(changed));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_change_that_touches_weights_is_refused_in_one_sentence_and_leaves_the_model(string line)
    {
        using var scope = NewDisposeScope();
        var (change, named) = ChangeLines.Refused[line];
        using var model = ChangeLines.Model("tied");
        model.Save(folder);
        var before = ChangeLines.Logits(model);
        var live = LiveTensors.Count;
        var inMemory = Assert.Throws<ConfigurationException>(() => model.With(change));
        var onLoad = Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder, ChangeLines.Kinds, change));

        Assert.Equal(live, LiveTensors.Count);
        Assert.All(named, part => Assert.Contains(part, inMemory.Message, StringComparison.Ordinal));
        Assert.All(named, part => Assert.Contains(part, onLoad.Message, StringComparison.Ordinal));
        Assert.Equal(Path.Combine(folder, "config.json"), onLoad.FilePath);
        Assert.DoesNotContain("(Parameter", inMemory.Message, StringComparison.Ordinal);
        Assert.True(before.Equals(ChangeLines.Logits(model)));
        using var changed = model.With(_ => { }); // a refusal does not stand in the way of the next change
        Assert.True(before.Equals(ChangeLines.Logits(changed)));
    }

    [Fact]
    public void A_folder_of_a_kind_that_nobody_registered_names_its_package()
    {
        using (var model = ChangeLines.Model("adapted"))
            model.Save(folder);
        var error = Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder, change: builder => builder.AddAutoregressiveSampler()));

        Assert.Contains("'lora'", error.Message, StringComparison.Ordinal);
        Assert.Contains("LmKit.Tuning", error.Message, StringComparison.Ordinal);
        Assert.Equal(Path.Combine(folder, "config.json"), error.FilePath);
    }

    [Fact]
    public void A_change_that_throws_or_is_null_leaves_the_model()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("tied");
        model.Save(folder);
        var before = ChangeLines.Logits(model);
        Assert.Throws<ArgumentNullException>(() => model.With(null!));
        Assert.Throws<DivideByZeroException>(() => model.With(_ => throw new DivideByZeroException()));
        Assert.Throws<DivideByZeroException>(() => LanguageModel.Load(folder, ChangeLines.Kinds, _ => throw new DivideByZeroException()));
        Assert.Throws<InvalidOperationException>(() => model.With(_ => model.With(_ => { }).Dispose()));
        Assert.True(before.Equals(ChangeLines.Logits(model)));
    }

    [Fact]
    public void A_sharded_folder_takes_a_change()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("adapted");
        model.Save(folder);
        ChangeLines.Shard(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, builder => builder.AddLambdaMask().UseLora(lora => lora.Rank = 3, sites: ["v_proj"]));
        Close.Check("logits", ChangeLines.Logits(model), ChangeLines.Logits(loaded), absolute: 1e-6);
        var error = Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder, ChangeLines.Kinds, builder => builder.AddMonarchLinear(sites: ["k_proj"])));
        Assert.Contains("model.safetensors.index.json", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_loads_with_a_change_and_a_dtype()
    {
        using var scope = NewDisposeScope();
        using (var model = ChangeLines.Model("hybrid"))
            model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, builder => builder.UseLora(sites: ["q_proj"]), dtype: ScalarType.BFloat16);
        Assert.Equal(ScalarType.BFloat16, loaded.get_parameter("layers.1.mlp.fc1.weight")!.dtype);
        Assert.Equal(ScalarType.Float32, loaded.get_parameter("layers.1.mixer.q_proj.lora_A")!.dtype);
    }

    [Fact]
    public void An_adapter_larger_than_the_model_loads()
    {
        using var scope = NewDisposeScope();
        using (var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 256, LayerCount = 2 }.AddAttention().Build())
            model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, builder => builder.UseLora(lora => lora.Rank = 700));
        Assert.True(loaded.parameters().Sum(parameter => parameter.numel()) > 5_000_000);
    }

    [Fact]
    public void A_weight_decomposed_adapter_starts_from_the_weights_that_were_loaded()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Model("tied");
        model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds, builder => builder.UseLora(lora => lora.IsWeightDecomposed = true, sites: ["q_proj"]));
        var weight = model.get_parameter("layers.0.mixer.q_proj.weight")!;
        Close.Check("magnitudes", weight.norm(1), loaded.get_parameter("layers.0.mixer.q_proj.lora_magnitude_vector")!, absolute: 1e-6);
    }

    private static Dictionary<string, Tensor> Values(LanguageModel model) => model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());

    // A wrapper puts a name between a linear's own.
    private static int CountKept(Dictionary<string, Tensor> values, LanguageModel changed)
    {
        var there = changed.state_dict();
        return values.Count(pair => there.Any(other =>
            other.Key.Replace("base_layer.", "", StringComparison.Ordinal) == pair.Key.Replace("base_layer.", "", StringComparison.Ordinal)
            && other.Value.dtype == pair.Value.dtype && other.Value.Equals(pair.Value)));
    }
}
