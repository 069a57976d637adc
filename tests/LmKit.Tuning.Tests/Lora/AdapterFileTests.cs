using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class AdapterFileTests
{
    [Fact]
    public void What_was_saved_comes_back_into_a_twin()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Model();
        using var twin = Model();
        Awake.Up(model);

        AdapterFile.Save(model, folder["a"]);
        AdapterFile.Load(twin, folder["a"]);

        foreach (var (name, parameter) in model.named_parameters())
            Close.Check(name, parameter, twin.get_parameter(name)!);
        var config = AdapterFile.ReadConfig(folder["a"]);
        Assert.Equal((2, 3.0), (config.Lora.Rank, config.Lora.Alpha));
        Assert.True(config.Targets("layers.0.mixer.q_proj"));
        Assert.False(config.Targets("layers.0.mixer.k_proj"));
    }

    [Fact]
    public void Weights_that_do_not_fit_are_listed_and_nothing_is_loaded()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Model();
        AdapterFile.Save(model, folder["a"]);
        var path = Path.Combine(folder["a"], "adapter_model.safetensors");
        using (var reader = new SafetensorsReader(path))
        {
            var tensors = reader.ReadAll();
            var (first, second) = (tensors.Keys.Order().First(), tensors.Keys.Order().Last());
            tensors["base_model.model.../../x.lora_A.weight"] = tensors[first];
            tensors.Remove(first);
            tensors[second] = tensors[second].narrow(0, 0, 1);
            SafetensorsWriter.Save(path + "2", tensors);
        }
        File.Move(path + "2", path, overwrite: true);

        var error = Assert.Throws<CheckpointMismatchException>(() => AdapterFile.Load(model, folder["a"]));

        Assert.Single(error.Missing);
        Assert.Equal(["base_model.model.../../x.lora_A.weight"], error.Unexpected);
        Assert.Single(error.WrongShape);
    }

    [Theory]
    [InlineData("""{"peft_type": "IA3"}""", "IA3")]
    [InlineData("""{"peft_type": "LORA", "use_qalora": true}""", "use_qalora")]
    [InlineData("""{"peft_type": "LORA", "layer_replication": [[0, 1]]}""", "layer_replication")]
    [InlineData("""{"peft_type": "LORA", "init_lora_weights": "pissa"}""", "pissa")]
    [InlineData("""{"peft_type": "LORA", "bias": "all"}""", "bias")]
    [InlineData("""{"peft_type": "LORA", "r": 0}""", "r = 0")]
    [InlineData("""{"peft_type": "LORA", "r": "many"}""", "JSON")]
    [InlineData("""{"peft_type": "LORA", "rank_pattern": 3}""", "JSON")]
    [InlineData("[]", "JSON")]
    [InlineData("{", "JSON")]
    [InlineData("", "JSON")]
    public void Configurations_that_cannot_be_kept_to_are_refused_by_key(string json, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["adapter_config.json"], json);

        Assert.Contains(expected, Assert.Throws<AdapterException>(() => AdapterFile.ReadConfig(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pickled_weights_are_never_opened()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        AdapterFile.Save(model, folder["a"]);
        File.Move(Path.Combine(folder["a"], "adapter_model.safetensors"), Path.Combine(folder["a"], "adapter_model.bin"));

        Assert.Contains("adapter_model.bin is pickled", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_scale_than_the_models_is_refused()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        AdapterFile.Save(model, folder["a"]);
        var path = Path.Combine(folder["a"], "adapter_config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"lora_alpha\": 3", "\"lora_alpha\": 5", StringComparison.Ordinal));

        Assert.Contains("alpha 5", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("(a+)+$")]
    [InlineData("(")]
    [InlineData("(?=x)y")]
    public void Patterns_of_others_neither_hang_nor_crash(string pattern)
    {
        var config = new AdapterConfig(new LoraOptions(), [], pattern);
        var error = Record.Exception(() => config.Targets(new string('a', 50_000) + "!"));
        Assert.True(error is null or ArgumentException);
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void Weights_that_are_not_finite_are_refused_by_file_and_tensor(double value)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Model();
        Awake.Up(model);
        AdapterFile.Save(model, folder["a"]);
        var path = Change(folder["a"], (name, tensor) => name.Contains("layers.1.mixer.v_proj.lora_B", StringComparison.Ordinal) ? tensor.index_fill(0, torch.tensor(1L), value) : tensor);
        var before = AdapterLaws.Logits(model);

        var error = Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"]));

        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("base_model.model.layers.1.mixer.v_proj.lora_B.weight", error.Message, StringComparison.Ordinal);
        Close.Check("nothing was loaded", before, AdapterLaws.Logits(model));
        using (no_grad())
            LoraAdapters.Of(model)[0].Adapter.get_parameter("lora_B")!.fill_(value);
        Assert.Contains("q_proj.lora_B", Assert.Throws<AdapterException>(() => AdapterFile.Save(model, folder["b"])).Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["b"]));
    }

    [Theory]
    [InlineData(ScalarType.Float16, 1e-3)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    [InlineData(ScalarType.Float64, 1e-6)]
    public void Other_floating_types_are_read_into_the_models_own(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = Model(ScalarType.Float32);
        using var twin = Model(ScalarType.Float32);
        Awake.Up(model);
        AdapterFile.Save(model, folder["a"]);
        Change(folder["a"], (_, tensor) => tensor.to(type));

        AdapterFile.Load(twin, folder["a"]);

        var B = LoraAdapters.Of(twin)[0].Adapter.get_parameter("lora_B")!;
        Assert.Equal(ScalarType.Float32, B.dtype);
        Close.Check("B", LoraAdapters.Of(model)[0].Adapter.get_parameter("lora_B")!, B, relativeToLargest: tolerance);
        Change(folder["a"], (_, tensor) => tensor.to(ScalarType.Int64));
        Assert.Equal(8, Assert.Throws<CheckpointMismatchException>(() => AdapterFile.Load(twin, folder["a"])).WrongDtype.Count);
    }

    [Fact]
    public void An_adapter_of_another_base_names_the_shapes()
    {
        using var folder = new TemporaryFolder();
        using var wide = ToyModel.Builder(modelDim: 16).AddAttention().UseLora(l => (l.Rank, l.Alpha) = (2, 3), sites: ["q_proj", "v_proj"]).Build();
        using var model = Model();
        AdapterFile.Save(wide, folder["a"]);

        var error = Assert.Throws<CheckpointMismatchException>(() => AdapterFile.Load(model, folder["a"]));

        Assert.Equal(8, error.WrongShape.Count);
        Assert.Contains("(2, 8)", error.Message, StringComparison.Ordinal);
        Assert.Contains("(2, 16)", error.Message, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(folder["a"], "adapter_model.safetensors"), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_files_and_folders_and_models_without_adapters_are_named()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        using var plain = ToyModel.Builder().AddAttention().Build();
        Assert.Contains("adapter_config.json: the file is missing", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["none"])).Message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json: the file is missing", Assert.Throws<AdapterException>(() => AdapterFile.ReadConfig(folder["none"])).Message, StringComparison.Ordinal);
        AdapterFile.Save(model, folder["a"]);
        File.Delete(Path.Combine(folder["a"], "adapter_model.safetensors"));
        Assert.Contains("adapter_model.safetensors: the file is missing", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"])).Message, StringComparison.Ordinal);
        Assert.Contains("no adapter", Assert.Throws<ArgumentException>(() => AdapterFile.Save(plain, folder["b"])).Message, StringComparison.Ordinal);
        Assert.Contains("no adapter", Assert.Throws<ArgumentException>(() => AdapterFile.Load(plain, folder["a"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_adapters_on_a_module_neither_save_nor_load()
    {
        using var folder = new TemporaryFolder();
        using var one = Model();
        using var two = ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha) = (2, 3), sites: ["q_proj", "v_proj"]).UseLora(l => l.Rank = 1, sites: ["q_proj"]).Build();
        AdapterFile.Save(one, folder["a"]);

        foreach (var act in new Action[] { () => AdapterFile.Save(two, folder["b"]), () => AdapterFile.Load(two, folder["a"]) })
            Assert.Contains("layers.0.mixer.q_proj has 2 adapters", Assert.Throws<AdapterException>(act).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exclude_modules", "null", "[\"layers.0.mixer.q_proj\"]")]
    [InlineData("layers_to_transform", "null", "[1]")]
    public void Weights_of_a_module_that_the_file_does_not_target_are_refused(string key, string old, string now)
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        AdapterFile.Save(model, folder["a"], like: new AdapterConfig(new LoraOptions(), ["q_proj", "v_proj"]));
        var path = Path.Combine(folder["a"], "adapter_config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace($"\"{key}\": {old}", $"\"{key}\": {now}", StringComparison.Ordinal));

        Assert.Contains("layers.0.mixer.q_proj", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_given_configuration_keeps_its_targets_and_takes_the_adapters_own_values()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        var like = new AdapterConfig(new LoraOptions { Rank = 64, Alpha = 1 }, ["q_proj", "v_proj"], BaseModel: "base");
        AdapterFile.Save(model, folder["a"], like: like);
        var written = AdapterFile.ReadConfig(folder["a"]);

        Assert.Equal((2, 3.0, "base"), (written.Lora.Rank, written.Lora.Alpha, written.BaseModel));
        Assert.Equal(["q_proj", "v_proj"], written.TargetModules);
        Assert.Contains("layers.0.mixer.v_proj", Assert.Throws<AdapterException>(() => AdapterFile.Save(model, folder["b"], like: like with { TargetModules = ["q_proj"] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_that_are_partly_off_are_not_saved_as_if_they_were_on()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        LoraAdapters.Of(model)[1].Adapter.IsEnabled = false;
        Assert.Contains("layers.0.mixer.v_proj is switched off", Assert.Throws<AdapterException>(() => AdapterFile.Save(model, folder["a"])).Message, StringComparison.Ordinal);
        LoraAdapters.Enable(model);
        AdapterFile.Save(model, folder["a"]);
    }

    [Fact]
    public void An_alpha_pattern_in_the_files_names_is_not_read_past()
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        static string Published(string name) => name.Replace("mixer", "self_attn", StringComparison.Ordinal);
        AdapterFile.Save(model, folder["a"], Published);
        var path = Path.Combine(folder["a"], "adapter_config.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"self_attn.q_proj\": 7}", StringComparison.Ordinal));

        Assert.Contains("alpha 7", Assert.Throws<AdapterException>(() => AdapterFile.Load(model, folder["a"], Published)).Message, StringComparison.Ordinal);
    }

    private static string Change(string folder, Func<string, Tensor, Tensor> change)
    {
        var path = Path.Combine(folder, "adapter_model.safetensors");
        using var scope = NewDisposeScope();
        using (var reader = new SafetensorsReader(path))
            SafetensorsWriter.Save(path + "2", reader.ReadAll().ToDictionary(pair => pair.Key, pair => change(pair.Key, pair.Value)));
        File.Move(path + "2", path, overwrite: true);
        return path;
    }

    private static LanguageModel Model(ScalarType dtype = ScalarType.Float64) =>
        ToyModel.Builder(dtype: dtype).AddAttention().UseLora(l => (l.Rank, l.Alpha) = (2, 3), sites: ["q_proj", "v_proj"]).Build();
}
