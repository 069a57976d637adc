using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A model's configuration names dictionaries of its layers' activations.</summary>
[NoTensorLeak]
public sealed class ModelDictionaryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-dictionaries-").FullName;

    public static TheoryData<string> Verbs => ["vanilla", "top_k", "batch_top_k", "jump_relu", "gated", "top_afa", "batch_top_afa", "supervised"];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [MemberData(nameof(Verbs))]
    public void A_named_dictionary_is_made_for_the_layers_it_was_named_for(string kind)
    {
        using var scope = NewDisposeScope();
        using var plain = ChangeLines.Builder("tied").Build();
        using var model = Name(ChangeLines.Builder("tied"), kind).Build();
        Assert.Equal(plain.state_dict().Keys, model.state_dict().Keys);
        Assert.True(ChangeLines.Logits(plain).Equals(ChangeLines.Logits(model)), "Naming a dictionary changes the model.");
        model.Save(folder);
        using var loaded = LanguageModel.Load(folder, ChangeLines.Kinds);
        Assert.Equal(model.Config, loaded.Config);
        Assert.Contains(loaded.Config.Components, entry => entry.Slot == Slots.Dictionary && entry.Kind == kind && entry.Options["model_dim"]!.GetValue<long>() == 0);
        Assert.Empty(loaded.CreateDictionaries(0));
        var dictionary = Assert.Single(loaded.CreateDictionaries(1));
        using var module = (nn.Module)dictionary;
        Assert.False(module.training);
        Assert.Equal([9, ToyModel.ModelDim], dictionary.Atoms.shape);
        if (dictionary is SparseAutoencoder autoencoder)
        {
            Assert.Equal(ToyModel.ModelDim, autoencoder.Options.ModelDim);
            using var tap = ActivationTap.Read(loaded, "layers.1.resid_post");
            _ = ChangeLines.Logits(loaded);
            Assert.True(autoencoder.Reconstruct(tap.Latest!.reshape(-1, ToyModel.ModelDim)).isfinite().all().item<bool>());
            DictionaryFolder.Save(Path.Combine(folder, "own"), autoencoder);
            using var alone = (SparseAutoencoder)DictionaryFolder.Load(Path.Combine(folder, "own"));
            Assert.True(autoencoder.Atoms.Equals(alone.Atoms));
        }
    }

    [Fact]
    public void A_layer_may_have_several_each_with_options_of_its_own()
    {
        using var scope = NewDisposeScope();
        using var model = ChangeLines.Builder("tied")
            .AddTopKAutoencoder(options => (options.ModelDim, options.FeatureCount) = (ToyModel.ModelDim, 16))
            .AddGatedAutoencoder(options => options.FeatureCount = 12, layers: [1])
            .Build();
        var before = model.Config;
        var (first, second) = (model.CreateDictionaries(1), model.CreateDictionaries(1));
        Assert.Equal(["TopKAutoencoder", "GatedAutoencoder"], first.Select(one => one.GetType().Name));
        Assert.True(first[0].Atoms.Equals(second[0].Atoms), "The model's seed decides.");
        using var random = new Generator(3);
        var third = model.CreateDictionaries(1, random);
        var other = model.CreateDictionaries(0);
        Assert.False(first[0].Atoms.Equals(third[0].Atoms));
        Assert.False(first[0].Atoms.Equals(other[0].Atoms));
        ((SparseAutoencoder)first[0]).Options.FeatureCount = 99;
        Assert.Equal(before, model.Config);
        Assert.Throws<ArgumentOutOfRangeException>(() => model.CreateDictionaries(2));
        Assert.Throws<ArgumentOutOfRangeException>(() => model.CreateDictionaries(-1));
        foreach (var dictionary in first.Concat(second).Concat(third).Concat(other))
            ((IDisposable)dictionary).Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.CreateDictionaries(0));
    }

    [Fact]
    public void Making_dictionaries_leaves_the_models_randomness()
    {
        using var scope = NewDisposeScope();
        using var model = Name(ChangeLines.Builder("tied"), "top_k").Build();
        var before = model.Random.get_state();
        ((IDisposable)model.CreateDictionaries(1)[0]).Dispose();
        Assert.True(before.Equals(model.Random.get_state()));
    }

    [Fact]
    public void They_are_made_in_the_models_dtype()
    {
        using var scope = NewDisposeScope();
        using var model = Name(ChangeLines.Builder("tied bfloat16"), "top_k").Build();
        var dictionary = Assert.Single(model.CreateDictionaries(1));
        using var module = (nn.Module)dictionary;
        Assert.All(module.parameters(), parameter => Assert.Equal(ScalarType.BFloat16, parameter.dtype));
    }

    [Fact]
    public void A_dictionary_of_another_width_is_refused_when_the_model_is_built()
    {
        var ours = Assert.Throws<ConfigurationException>(() => ChangeLines.Builder("tied").AddTopKAutoencoder(options => (options.ModelDim, options.FeatureCount) = (5, 9)).Build());
        Assert.Equal(
            "TopKOptions.ModelDim = 5 ($.components[1].options.model_dim) is not the model's width, LanguageModelOptions.ModelDim = 8 ($.model.d_model); leave it at 0 for that.",
            ours.Message[(ours.Message.IndexOf("TopK", StringComparison.Ordinal))..]);
        var theirs = Assert.Throws<ConfigurationException>(() => ChangeLines.Builder("tied").Add(ToyComponents.Dictionary, options => options.Width = 5).Build());
        Assert.Contains("'toy_dictionary'", theirs.Message, StringComparison.Ordinal);
        Assert.Contains("(16, 5)", theirs.Message, StringComparison.Ordinal);
        Assert.Contains("LanguageModelOptions.ModelDim = 8", theirs.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_that_is_not_there_and_an_unknown_kind_are_refused()
    {
        Assert.Contains("2 is not a layer", Assert.Throws<ConfigurationException>(() => ChangeLines.Builder("tied").AddTopKAutoencoder(options => options.FeatureCount = 9, layers: [2]).Build()).Message, StringComparison.Ordinal);
        using (var model = Name(ChangeLines.Builder("tied"), "top_k").Build())
            model.Save(folder);
        Assert.Contains("LmKit.Interp", Assert.Throws<ConfigurationException>(() => LanguageModel.Load(folder)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => ChangeLines.Builder("tied").Add(DictionaryComponents.TopK, options => options.FeatureCount = 9, sites: ["q_proj"]));
    }

    [Fact]
    public void One_that_takes_more_memory_than_there_is_is_refused_and_leaves_nothing()
    {
        using var model = ChangeLines.Builder("tied").AddGatedAutoencoder(options => options.FeatureCount = 9).AddTopKAutoencoder(options => options.FeatureCount = 1L << 50).Build();
        Assert.Contains("$.components[2].options", Assert.Throws<ConfigurationException>(() => model.CreateDictionaries(0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_dictionarys_configuration_is_a_value()
    {
        var config = DictionaryConfig.For(DictionaryComponents.TopK, options => (options.ModelDim, options.FeatureCount, options.ActiveCount) = (4, 8, 2), "ln_f.out");
        var same = DictionaryConfig.FromJson(config.ToJson());
        Assert.Equal(config, same);
        Assert.Equal(config.GetHashCode(), same.GetHashCode());
        Assert.NotEqual(config, config with { HookName = "layers.0.mlp_out" });
        Assert.NotEqual(config, DictionaryConfig.For(DictionaryComponents.TopK, options => (options.ModelDim, options.FeatureCount, options.ActiveCount) = (4, 8, 3), "ln_f.out"));
        config.Options["active_count"] = 7;
        Assert.Equal(config, same);
        Assert.Equal(config.ToJson(), config.ToString());
        var text = System.Text.Json.JsonSerializer.Serialize(config);
        Assert.Contains("\"active_count\":2", text, StringComparison.Ordinal);
        Assert.Equal(config, System.Text.Json.JsonSerializer.Deserialize<DictionaryConfig>(text));
        Assert.Throws<System.Text.Json.JsonException>(() => System.Text.Json.JsonSerializer.Deserialize<DictionaryConfig>("""{"kind":"top_k"}"""));
        Assert.Equal(config, System.ComponentModel.TypeDescriptor.GetConverter(config).ConvertFromInvariantString(config.ToJson()));
        using var random = new Generator(1);
        var alone = Assert.Throws<ConfigurationException>(() => DictionaryConfig.For(DictionaryComponents.TopK, options => options.FeatureCount = 8).Create(new ParameterFactory(random)));
        Assert.Contains("TopKOptions.ModelDim = 0 ($.options.model_dim)", alone.Message, StringComparison.Ordinal);
    }

    private static LanguageModelBuilder Name(LanguageModelBuilder builder, string kind) => kind switch
    {
        "vanilla" => builder.AddVanillaAutoencoder(options => options.FeatureCount = 9, layers: [1]),
        "top_k" => builder.AddTopKAutoencoder(options => (options.FeatureCount, options.ActiveCount) = (9, 3), layers: [1]),
        "batch_top_k" => builder.AddBatchTopKAutoencoder(options => (options.FeatureCount, options.ActiveCount) = (9, 3), layers: [1]),
        "jump_relu" => builder.AddJumpReluAutoencoder(options => options.FeatureCount = 9, layers: [1]),
        "gated" => builder.AddGatedAutoencoder(options => options.FeatureCount = 9, layers: [1]),
        "top_afa" => builder.AddTopAfaAutoencoder(options => options.FeatureCount = 9, layers: [1]),
        "batch_top_afa" => builder.AddBatchTopAfaAutoencoder(options => options.FeatureCount = 9, layers: [1]),
        _ => builder.AddSupervisedDictionary(options => options.Blocks = [new AttributeBlock("a", [0], [4]), new AttributeBlock("b", [1], [5])], layers: [1]),
    };
}
