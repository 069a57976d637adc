using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests.Issues;

[NoTensorLeak]
public sealed partial class Report09HostileDictionaries : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("dictionary-folder-wrong-ArgumentOutOfRangeException-548-config.json")]
    [InlineData("dictionary-folder-wrong-ExternalException-151-config.json")]
    [InlineData("dictionary-folder-wrong-ExternalException-419-config.json")]
    [InlineData("dictionary-folder-wrong-InvalidOperationException-10-config.json")]
    [InlineData("dictionary-folder-wrong-InvalidOperationException-581-config.json")]
    [InlineData("dictionary-folder-wrong-InvalidOperationException-656-config.json")]
    [InlineData("dictionary-folder-wrong-InvalidOperationException-840-config.json")]
    public void Configurations_that_were_found_are_refused_by_file_and_place(string name)
    {
        SaveTopK();
        File.Copy(Hostile(name), folder["d/config.json"], overwrite: true);
        Refused("$");
    }

    [Theory]
    [InlineData("\"feature_count\": 9", "\"feature_count\": 4000000000", "$.options.feature_count")]
    [InlineData("\"model_dim\": 5", "\"model_dim\": 6", "$.options.model_dim")]
    [InlineData("\"active_count\": 3", "\"active_count\": -1", "$.options.active_count")]
    [InlineData("\"kind\": \"top_k\"", "\"kind\": \"top_k\", \"kind\": \"top_k\"", "$.kind")]
    [InlineData("\"kind\": \"top_k\"", "\"kind\": \"\\ud800\"", "$.kind")]
    [InlineData("\"kind\": \"top_k\"", "\"kind\": 7", "$.kind")]
    [InlineData("\"kind\": \"top_k\"", "\"kind\": \"none\"", "$.kind")]
    [InlineData("\"hook_name\": null", "\"hook_name\": []", "$.hook_name")]
    [InlineData("\"model_dim\": 5", "\"model_dim\": null", "$.options.model_dim")]
    public void A_damaged_configuration_is_refused_by_file_and_place(string from, string to, string place)
    {
        SaveTopK();
        var config = File.ReadAllText(folder["d/config.json"]);
        Assert.Contains(from, config, StringComparison.Ordinal);
        File.WriteAllText(folder["d/config.json"], config.Replace(from, to, StringComparison.Ordinal));
        Refused(place);
    }

    [Fact]
    public void A_supervised_dictionary_of_more_features_than_weights_is_refused_before_it_is_made()
    {
        using (var scope = NewDisposeScope())
        {
            using var made = SupervisedDictionary.FromAtoms([new AttributeBlock("io", [0], [4])], ones(4, 3), zeros(3));
            DictionaryFolder.Save(folder["d"], made);
        }
        var config = File.ReadAllText(folder["d/config.json"]);
        foreach (var sizes in (string[])["1000000,1000000", "9000000000000000000,9", "0", "-4", "4,4"])
        {
            File.WriteAllText(folder["d/config.json"], SizesOfBlocks().Replace(config, $"[{sizes}]", 1));
            Refused("$.options");
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void Weights_that_are_not_finite_are_refused_by_file_and_tensor(float value)
    {
        using var scope = NewDisposeScope();
        using (var made = Parameters.Make(parameters => new TopKAutoencoder(new TopKOptions { ModelDim = 5, FeatureCount = 9, ActiveCount = 3 }, parameters), ScalarType.Float32))
        {
            using var frozen = no_grad();
            made.DecoderWeight[2, 1] = value;
            DictionaryFolder.Save(folder["d"], made);
        }
        var error = Assert.Throws<SafetensorsException>(() => DictionaryFolder.Load(folder["d"]));
        Assert.Equal((folder["d/dictionary.safetensors"], "W_dec"), (error.FilePath, error.TensorName));
    }

    [Theory]
    [InlineData("sae-dictionary_learning-wrong-InvalidOperationException-96-config.json", "config.json", "ae.pt")]
    [InlineData("sae-llama_scope-wrong-InvalidOperationException-561-hyperparams.json", "hyperparams.json", "final.safetensors")]
    [InlineData("sae-sae_lens_gated-wrong-InvalidOperationException-238-cfg.json", "cfg.json", "sae_weights.safetensors")]
    [InlineData("sae-sae_lens_legacy_topk-wrong-ArgumentOutOfRangeException-915-cfg.json", "cfg.json", "sae_weights.safetensors")]
    [InlineData("sae-sae_lens_legacy_topk-wrong-InvalidOperationException-253-cfg.json", "cfg.json", "sae_weights.safetensors")]
    [InlineData("sae-sae_lens_legacy_topk-wrong-InvalidOperationException-396-cfg.json", "cfg.json", "sae_weights.safetensors")]
    [InlineData("sae-sparsify-layers1-wrong-ArgumentOutOfRangeException-774-cfg.json", "cfg.json", "sae.safetensors")]
    [InlineData("sae-topafa-wrong-InvalidOperationException-225-config.json", "config.json", "sae.pt")]
    public void Published_configurations_that_were_found_are_refused_by_name(string name, string config, string weights)
    {
        using var scope = NewDisposeScope();
        File.Copy(Hostile(name), folder[config]);
        SafetensorsWriter.Save(folder[weights], new Dictionary<string, Tensor>
        {
            ["W_enc"] = ones(6, 10),
            ["W_dec"] = ones(10, 6),
            ["b_enc"] = zeros(10),
            ["b_dec"] = zeros(6),
            ["encoder.weight"] = ones(10, 6),
            ["encoder.bias"] = zeros(10),
        });
        Assert.Contains(folder[config], Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sae-dictionary_learning-wrong-ArgumentOutOfRangeException-442-ae.pt")]
    [InlineData("sae-dictionary_learning-wrong-NullReferenceException-791-ae.pt")]
    public void Published_weights_that_were_found_are_refused_by_name(string name)
    {
        File.Copy(Hostile(name), folder["ae.pt"]);
        File.WriteAllText(folder["config.json"], """{"trainer":{"dict_class":"AutoEncoderTopK","k":3}}""");
        var error = Record.Exception(() => AutoencoderFile.Load(folder.Path));
        Assert.True(error is InvalidDataException or PickleException or CheckpointMismatchException, error?.ToString() ?? "accepted");
        Assert.Contains(folder.Path, error!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<f4", "False", "(1000000000, 1000000)", "bytes")]
    [InlineData("<f4", "False", "(-2, -2)", "")]
    [InlineData("<f4", "False", "(9223372036854775807, 4)", "bytes")]
    [InlineData("<f4", "False", "(99999999999999999999,)", "")]
    [InlineData("|O", "False", "(4,)", "'|O'")]
    [InlineData(">f4", "True", "(4,)", "'>f4'")]
    [InlineData("<f4", "Perhaps", "(4,)", "type ''")]
    public void A_numpy_array_that_cannot_be_is_refused_by_name(string type, string order, string shape, string said)
    {
        WriteNpz(CompressionLevel.NoCompression, ("W_dec", Npy(type, order, shape, new byte[16])));
        var error = Assert.Throws<InvalidDataException>(() => NpzReader.Read(folder["a.npz"]));
        Assert.Contains(folder["a.npz"], error.Message, StringComparison.Ordinal);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Archives_that_unpack_to_much_or_name_an_array_twice_are_refused_and_sound_ones_read()
    {
        using var scope = NewDisposeScope();
        byte[] numbers = [.. Enumerable.Range(0, 6).SelectMany(index => BitConverter.GetBytes((float)index))];
        WriteNpz(CompressionLevel.Optimal, ("../a", Npy("<f4", "True", "(2, 3)", numbers)), ("b", Npy("<f4", "False", "(2, 3)", numbers)));
        var read = NpzReader.Read(folder["a.npz"]);
        Assert.Equal([0f, 2, 4, 1, 3, 5], read["../a"].flatten().data<float>().ToArray());
        Assert.Equal([0f, 1, 2, 3, 4, 5], read["b"].flatten().data<float>().ToArray());

        WriteNpz(CompressionLevel.Optimal, ("a", Npy("<f4", "False", "(5000000,)", new byte[20_000_000])));
        Assert.Contains("unpack", Assert.Throws<InvalidDataException>(() => NpzReader.Read(folder["a.npz"])).Message, StringComparison.Ordinal);
        WriteNpz(CompressionLevel.NoCompression, ("a", Npy("<f4", "False", "(4,)", new byte[16])), ("a", Npy("<f4", "False", "(4,)", new byte[16])));
        Assert.Contains("twice", Assert.Throws<InvalidDataException>(() => NpzReader.Read(folder["a.npz"])).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidDataException>(() => NpzReader.Read(folder.Path));
    }

    private void SaveTopK()
    {
        using var made = Parameters.Make(parameters => new TopKAutoencoder(new TopKOptions { ModelDim = 5, FeatureCount = 9, ActiveCount = 3 }, parameters), ScalarType.Float32);
        DictionaryFolder.Save(folder["d"], made);
    }

    private void Refused(string place)
    {
        var error = Assert.Throws<ConfigurationException>(() => DictionaryFolder.Load(folder["d"]));
        Assert.Equal(folder["d/config.json"], error.FilePath);
        Assert.StartsWith(place, error.Path, StringComparison.Ordinal);
    }

    private void WriteNpz(CompressionLevel level, params (string Name, byte[] Bytes)[] arrays)
    {
        using var archive = new ZipArchive(File.Create(folder["a.npz"]), ZipArchiveMode.Create);
        foreach (var (name, bytes) in arrays)
        {
            using var stream = archive.CreateEntry($"{name}.npy", level).Open();
            stream.Write(bytes);
        }
    }

    private static byte[] Npy(string type, string order, string shape, byte[] data)
    {
        var header = $"{{'descr': '{type}', 'fortran_order': {order}, 'shape': {shape}, }}\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.Latin1.GetBytes(header), .. data];
    }

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);

    [GeneratedRegex(@"(?<=""[Ss]izes"": )\[[^\]]*\]")]
    private static partial Regex SizesOfBlocks();
}
