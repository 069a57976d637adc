using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public class DictionaryFolderTests
{
    public static TheoryData<string> Kinds => [.. DictionaryComponents.All.Where(kind => kind != DictionaryComponents.Supervised).Select(kind => kind.Name)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_saved_dictionary_of_every_kind_comes_back_with_its_options_and_codes(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        var written = new JsonObject { ["model_dim"] = 5, ["feature_count"] = 9, ["input_normalization"] = "constant_norm" };
        using var made = (SparseAutoencoder)new DictionaryConfig(name, "LmKit.Interp", written).Create(new ParameterFactory(random));
        foreach (var (_, value) in made.state_dict())
            value.add_(rand(value.shape, value.dtype, generator: random) * 0.3);
        made.eval();
        var path = Path.Combine(folder.Path, name);
        DictionaryFolder.Save(path, made, "layers.1.mixer.z", "toy");
        using var loaded = (SparseAutoencoder)DictionaryFolder.Load(path);

        var config = DictionaryFolder.ReadConfig(path);
        Assert.Equal((name, "LmKit.Interp", "layers.1.mixer.z", "toy"), (config.Kind, config.Package, config.HookName, config.ModelName));
        Assert.Equal(made.GetType(), loaded.GetType());
        Assert.Equal(OptionsJson.Write(made.Options).ToJsonString(), OptionsJson.Write(loaded.Options).ToJsonString());
        Assert.False(loaded.training);
        var x = randn([7, 5], generator: random);
        Close.Check("codes", made.Encode(x), loaded.Encode(x));
        Close.Check("output", made.Reconstruct(x), loaded.Reconstruct(x));
    }

    [Fact]
    public void A_supervised_dictionary_comes_back_with_its_blocks()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        var attributes = randint(0, 3, [40, 2], ScalarType.Int64, generator: random);
        using var made = SupervisedDictionary.Fit(randn([40, 6], ScalarType.Float64, generator: random), attributes, [new("a", [0], [3]), new("a+b", [0, 1], [3, 3])]);
        var path = Path.Combine(folder.Path, "supervised");
        DictionaryFolder.Save(path, made);
        using var loaded = (SupervisedDictionary)DictionaryFolder.Load(path);

        Assert.Equal(["a", "a+b"], loaded.Blocks.Select(block => block.Name));
        Close.Check("rebuilt", made.call(attributes), loaded.call(attributes));
    }

    [Fact]
    public void A_configuration_is_data_and_round_trips()
    {
        using var random = new Generator(3);
        var config = DictionaryConfig.For(DictionaryComponents.TopK, options => (options.ModelDim, options.FeatureCount, options.ActiveCount) = (4, 8, 2), "ln_f.out");
        var text = config.ToJson();
        Assert.Contains("\"active_count\": 2", text, StringComparison.Ordinal);
        var read = DictionaryConfig.FromJson(text);
        Assert.Equal(text, read.ToJson());
        using var made = (TopKAutoencoder)read.Create(new ParameterFactory(random));
        Assert.Equal(8, made.FeatureCount);
    }

    [Theory]
    [InlineData("""{"kind":"top_k","package":"LmKit.Interp","options":{"model_dim":4,"feature_count":8,"active_count":0}}""", "$.options.active_count")]
    [InlineData("""{"kind":"top_k","package":"LmKit.Interp","options":{"feature_count":8}}""", "$.options.model_dim")]
    [InlineData("""{"kind":"top_k","package":"LmKit.Interp","options":{"width":8}}""", "width")]
    [InlineData("""{"kind":"tip_k","package":"Other.Package","options":{}}""", "Other.Package")]
    [InlineData("""{"kind":"top_k","options":{}}""", "$.package")]
    [InlineData("""{"kind":"top_k","package":"LmKit.Interp","options":{},"more":1}""", "$.more")]
    [InlineData("""{"kind":""", "$")]
    public void A_configuration_that_cannot_work_is_refused_by_name(string json, string named)
    {
        using var random = new Generator(3);
        var error = Assert.Throws<ConfigurationException>(() => DictionaryConfig.FromJson(json).Create(new ParameterFactory(random)));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kind_of_ones_own_is_made_once_it_is_added()
    {
        using var random = new Generator(3);
        var own = Slots.Dictionary.Define<VanillaOptions>("own", (options, site) => new VanillaAutoencoder(options, site.Parameters));
        var config = DictionaryConfig.For(own, options => (options.ModelDim, options.FeatureCount) = (3, 4));
        Assert.Throws<ConfigurationException>(() => config.Create(new ParameterFactory(random)));
        using var made = (IDisposable)config.Create(new ParameterFactory(random), new ComponentRegistry().Add(own).Add(own));
        Assert.IsType<VanillaAutoencoder>(made);
        Assert.Throws<ArgumentException>(() => new ComponentRegistry().AddInterp().Add(Slots.Dictionary.Define<VanillaOptions>("vanilla", (options, site) => new VanillaAutoencoder(options, site.Parameters))));
    }

    [Fact]
    public void What_a_folder_is_can_be_read_after_a_save_that_was_cut_off()
    {
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        using var made = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 8, ActiveCount = 2 }, new ParameterFactory(random));
        DictionaryFolder.Save(folder["d"], made);
        Directory.CreateDirectory(Path.Combine(folder["d"], ".lmkit-save", "complete"));
        File.WriteAllText(Path.Combine(folder["d"], ".lmkit-save", "lock"), "");
        File.Move(Path.Combine(folder["d"], "config.json"), Path.Combine(folder["d"], ".lmkit-save", "complete", "config.json"));
        Assert.Equal("top_k", DictionaryFolder.ReadConfig(folder["d"]).Kind);
    }

    [Fact]
    public void A_kind_of_ones_own_is_saved_under_its_name_and_comes_back()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        using var random = new Generator(3);
        var own = Slots.Dictionary.Define<VanillaOptions>("rotation", (options, site) => new Rotation(options.ModelDim, site.Parameters));
        var options = new VanillaOptions { ModelDim = 4, FeatureCount = 4 };
        using var made = new Rotation(4, new ParameterFactory(random));
        DictionaryFolder.Save(folder["own"], made, own, options, "layers.0.resid_post");
        Assert.Equal(("rotation", "layers.0.resid_post"), (DictionaryFolder.ReadConfig(folder["own"]).Kind, DictionaryFolder.ReadConfig(folder["own"]).HookName));
        Assert.Throws<ConfigurationException>(() => DictionaryFolder.Load(folder["own"]));
        using var loaded = (Rotation)DictionaryFolder.Load(folder["own"], new ComponentRegistry().Add(own));
        Close.Check("atoms", made.Atoms, loaded.Atoms);
    }

    private sealed class Rotation : nn.Module, IDictionary
    {
        private readonly TorchSharp.Modules.Parameter atoms;
        private readonly TorchSharp.Modules.Parameter bias;

        internal Rotation(long width, ParameterFactory parameters)
            : base(nameof(Rotation))
        {
            (atoms, bias) = (parameters.Normal(1, width, width), parameters.Constant(0, width));
            RegisterComponents();
        }

        public Tensor Atoms => atoms;

        public Tensor Bias => bias;

        public Tensor Encode(ActivationBatch batch) => batch.Values.mm(atoms.t());

        public Tensor Decode(Tensor codes) => codes.mm(atoms) + bias;
    }
}
