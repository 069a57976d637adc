using LmKit.Conformance;
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

    private static LanguageModel Model() => ToyModel.Builder().AddAttention().UseLora(l => (l.Rank, l.Alpha) = (2, 3), sites: ["q_proj", "v_proj"]).Build();
}
