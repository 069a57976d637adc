using System.Text.Json;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Issues;

/// <summary>A model folder in several files was not read, and folders of other libraries gave errors that named no file.</summary>
[NoTensorLeak]
public sealed class Report40ShardedModelFolder : IDisposable
{
    private const string Index = "model.safetensors.index.json";

    private readonly TemporaryFolder folder = new();
    private readonly string path;

    public Report40ShardedModelFolder()
    {
        path = folder["m"];
        using var model = Model();
        model.Save(path);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_folder_in_several_files_loads_equal_and_a_whole_file_goes_before_an_index()
    {
        Shard();
        using var model = Model();
        using (var loaded = LanguageModel.Load(path))
            Assert.All(model.named_parameters(), pair => Assert.True(pair.parameter.Equals(loaded.get_parameter(pair.name)!), pair.name));
        using (var module = Model(seed: 5))
        {
            CheckpointLoader.Load(module, Path.Combine(path, Index));
            Assert.All(model.named_parameters(), pair => Assert.True(pair.parameter.Equals(module.get_parameter(pair.name)!), pair.name));
        }
        using var other = Model(seed: 7);
        File.Delete(Path.Combine(path, "config.json"));
        other.Save(path);
        using var last = LanguageModel.Load(path);
        Assert.All(other.named_parameters(), pair => Assert.True(pair.parameter.Equals(last.get_parameter(pair.name)!), pair.name));
    }

    [Theory]
    [InlineData("../outside.safetensors", "no plain name")]
    [InlineData("/etc/passwd", "no plain name")]
    [InlineData("..", "no plain name")]
    [InlineData("", "no plain name")]
    [InlineData("absent.safetensors", "not beside the index")]
    [InlineData("model-00001-of-00002.safetensors", "does not hold it")]
    public void An_index_that_does_not_fit_its_files_is_named(string file, string fault)
    {
        Shard(map => map[map.Last().Key] = file);
        var error = Assert.Throws<SafetensorsException>(() => LanguageModel.Load(path));
        Assert.Equal(Path.Combine(path, Index), error.FilePath);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_that_the_index_does_not_name_is_refused()
    {
        Shard(map => map.Remove(map.Last().Key));
        Assert.Contains("names no such tensor", Assert.Throws<SafetensorsException>(() => LanguageModel.Load(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "weight_map")]
    [InlineData("{\"weight_map\": {\"a\": 1}}", "by a text")]
    [InlineData("{\"weight_map\": ", "not JSON")]
    [InlineData("{\"weight_map\": {\"a\": \"x\", \"a\": \"y\"}}", "twice")]
    [InlineData("{\"weight_map\": {\"a\": \"\\ud800\"}}", "surrogate")]
    public void An_index_that_is_no_index_is_named(string text, string fault)
    {
        Shard();
        File.WriteAllText(Path.Combine(path, Index), text);
        var error = Assert.Throws<SafetensorsException>(() => LanguageModel.Load(path));
        Assert.Contains(Index, error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"model_type\": \"llama\", \"hidden_size\": 16}", "$.vocab_size")]
    [InlineData("{\"architectures\": [\"GPT2LMHeadModel\"]}", "$.model_type")]
    public void The_folder_of_a_Hugging_Face_model_is_read_as_one(string config, string place)
    {
        File.WriteAllText(Path.Combine(path, "config.json"), config);
        var error = Assert.Throws<ConfigurationException>(() => LanguageModel.Load(path));
        Assert.All([Path.Combine(path, "config.json"), place], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{\"format\": 1}")]
    [InlineData("{\"format\": 99, \"model\": {}, \"components\": []}")]
    [InlineData("not JSON")]
    [InlineData("")]
    public void Every_fault_of_a_configuration_names_its_file(string text)
    {
        File.WriteAllText(Path.Combine(path, "config.json"), text);
        Assert.Equal(Path.Combine(path, "config.json"), Assert.Throws<ConfigurationException>(() => LanguageModel.Load(path)).FilePath);
    }

    [Theory]
    [InlineData("pytorch_model.bin", "PickleReader")]
    [InlineData("model-00001-of-00002.safetensors", Index)]
    public void Weights_under_another_name_are_named_with_what_to_do(string name, string remedy)
    {
        File.Move(Path.Combine(path, "model.safetensors"), Path.Combine(path, name));
        var error = Assert.Throws<FileNotFoundException>(() => LanguageModel.Load(path));
        Assert.All([path, name, remedy], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("vocab_size", "2147483647")]
    [InlineData("vocab_size", "1099511627776")]
    [InlineData("d_model", "1048576")]
    [InlineData("n_layer", "10000")]
    [InlineData("n_layer", "2147483648")]
    [InlineData("max_position_embeddings", "2147483647")]
    public void Sizes_are_compared_with_the_weights_before_anything_is_allocated(string name, string value)
    {
        using (var learned = Model(positions: 32))
            learned.Save(path);
        var config = Path.Combine(path, "config.json");
        var text = System.Text.RegularExpressions.Regex.Replace(File.ReadAllText(config), $"\"{name}\": [0-9]+", $"\"{name}\": {value}");
        File.WriteAllText(config, text);
        Assert.Contains(value, text, StringComparison.Ordinal);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(config, Assert.Throws<ConfigurationException>(() => LanguageModel.Load(path)).FilePath);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 32 << 20);
    }

    [Fact]
    public void A_configuration_that_is_only_a_little_wrong_still_lists_every_mismatch()
    {
        var config = Path.Combine(path, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"n_layer\": 1", "\"n_layer\": 2", StringComparison.Ordinal));
        Assert.NotEmpty(Assert.Throws<CheckpointMismatchException>(() => LanguageModel.Load(path)).Missing);
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_named_with_its_file()
    {
        Shard();
        var shard = Path.Combine(path, "model-00002-of-00002.safetensors");
        using (NewDisposeScope())
        {
            Dictionary<string, Tensor> tensors;
            using (var reader = new SafetensorsReader(shard))
                tensors = reader.ReadAll();
            var (name, value) = tensors.First();
            tensors[name] = full_like(value, double.NaN);
            SafetensorsWriter.Save(shard, tensors);
            Assert.Contains(name, Assert.Throws<ArgumentException>(() => LanguageModel.Load(path)).Message, StringComparison.Ordinal);
            tensors[name] = full_like(value, 3e38);
            SafetensorsWriter.Save(shard, tensors);
        }
        LanguageModel.Load(path).Dispose();
    }

    private static LanguageModel Model(ulong seed = 0, long positions = 0)
    {
        var builder = new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1 };
        builder.Options.Seed = seed;
        builder.AddAttention(attention => attention.HeadCount = 2);
        return (positions > 0 ? builder.AddLearnedPositions(positions) : builder).Build();
    }

    private void Shard(Action<Dictionary<string, string>>? change = null)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> all;
        using (var reader = new SafetensorsReader(Path.Combine(path, "model.safetensors")))
            all = reader.ReadAll();
        var half = all.Count / 2;
        string[] files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        SafetensorsWriter.Save(Path.Combine(path, files[0]), all.Take(half).ToDictionary());
        SafetensorsWriter.Save(Path.Combine(path, files[1]), all.Skip(half).ToDictionary());
        var map = all.Keys.Select((name, at) => (name, at)).ToDictionary(pair => pair.name, pair => files[pair.at < half ? 0 : 1]);
        change?.Invoke(map);
        File.WriteAllText(Path.Combine(path, Index), JsonSerializer.Serialize(new { metadata = new { total_size = 1 }, weight_map = map }));
        File.Delete(Path.Combine(path, "model.safetensors"));
    }
}
