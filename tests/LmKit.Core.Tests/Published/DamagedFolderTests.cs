using System.Text;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What is wrong with a published folder is told in one sentence with file, key and remedy, and leaves nothing behind.</summary>
[NoTensorLeak]
public sealed class DamagedFolderTests : IDisposable
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

    private readonly TemporaryFolder temporary = new();

    public void Dispose() => temporary.Dispose();

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    public void A_pointer_in_place_of_a_file_is_told_by_name(string file)
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.WriteAllText(Path.Combine(folder, file), Pointer);

        Refused<Exception>(folder, file, "Git LFS", "git lfs pull");
    }

    [Fact]
    public void A_pointer_in_place_of_a_tokenizer_is_told_by_name()
    {
        File.WriteAllText(temporary["vocab.json"], Pointer);
        File.WriteAllText(temporary["merges.txt"], Pointer);
        var error = Assert.ThrowsAny<Exception>(() => TokenizerFiles.Load(temporary.Path));

        Assert.All([temporary.Path, "Git LFS"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("llama-gqa-bin", "pytorch_model.bin")]
    [InlineData("llama-gqa-sharded", "model-00002-of-00003.safetensors")]
    [InlineData("llama-gqa-sharded", "model.safetensors.index.json")]
    public void A_pointer_in_place_of_other_weights_is_told_by_name(string name, string file)
    {
        var folder = PublishedFolders.Copy(name, temporary["m"]);
        File.WriteAllText(Path.Combine(folder, file), Pointer);

        Refused<IOException>(folder, file, "Git LFS");
    }

    [Fact]
    public void A_download_that_did_not_end_is_told_by_name()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, "model.safetensors.incomplete"));
        Refused<FileNotFoundException>(folder, "model.safetensors.incomplete", "run it again");

        Directory.CreateDirectory(Path.Combine(folder, ".cache", "huggingface", "download"));
        File.Move(Path.Combine(folder, "model.safetensors.incomplete"), Path.Combine(folder, ".cache", "huggingface", "download", "abc.incomplete"));
        Refused<FileNotFoundException>(folder, "abc.incomplete", "run it again");

        File.Delete(Path.Combine(folder, "config.json"));
        Refused<FileNotFoundException>(folder, "config.json", "abc.incomplete");
    }

    [Fact]
    public void A_folder_without_weights_says_what_is_looked_for_and_what_there_is()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.Move(Path.Combine(folder, "model.safetensors"), Path.Combine(folder, "consolidated.00.pth"));

        Refused<FileNotFoundException>(folder, "model.safetensors", "pytorch_model.bin.index.json", "consolidated.00.pth");
    }

    [Fact]
    public void A_missing_shard_is_told_with_its_tensor_and_the_download_that_did_not_end()
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        File.Move(Path.Combine(folder, "model-00002-of-00003.safetensors"), Path.Combine(folder, "model-00002-of-00003.safetensors.incomplete"));

        Refused<SafetensorsException>(folder, "model.safetensors.index.json", "'model-00002-of-00003.safetensors'", ".incomplete");
    }

    [Theory]
    [InlineData("../m/model-00002-of-00003.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("C:model.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    public void An_index_that_points_elsewhere_is_refused(string target)
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        var index = Path.Combine(folder, "model.safetensors.index.json");
        File.WriteAllText(index, File.ReadAllText(index).Replace("model-00002-of-00003.safetensors", target, StringComparison.Ordinal));

        Refused<SafetensorsException>(folder, "model.safetensors.index.json", "no plain name");
    }

    [Fact]
    public void A_tensor_that_its_shard_lacks_is_named_with_the_shard()
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        var index = Path.Combine(folder, "model.safetensors.index.json");
        var name = PublishedFolders.Names(folder)[0];
        File.WriteAllText(index, File.ReadAllText(index).Replace($"\"{name}\"", "\"model.norm.bias\"", StringComparison.Ordinal));

        Refused<SafetensorsException>(folder, "model.norm.bias", "which does not hold it");
    }

    [Fact]
    public void Links_in_a_circle_and_to_nothing_are_told()
    {
        if (OperatingSystem.IsWindows())
            return;
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        var weights = Path.Combine(folder, "model.safetensors");
        File.Delete(weights);
        File.CreateSymbolicLink(weights, "../blobs/gone");
        Refused<FileNotFoundException>(folder, "model.safetensors", "blobs/gone", "complete the folder");

        File.Delete(weights);
        File.CreateSymbolicLink(weights, "other.safetensors");
        File.CreateSymbolicLink(Path.Combine(folder, "other.safetensors"), "model.safetensors");
        Refused<FileNotFoundException>(folder, "model.safetensors", "link");

        File.Delete(Path.Combine(folder, "config.json"));
        File.CreateSymbolicLink(Path.Combine(folder, "config.json"), "config.json");
        Refused<ConfigurationException>(folder, "config.json", "leads to itself");
    }

    [Theory]
    [InlineData("llama-gqa", "model.layers.1.mlp.down_proj.weight", float.NaN)]
    [InlineData("gpt2-base", "h.1.attn.c_attn.weight", float.PositiveInfinity)]
    [InlineData("gpt2-base", "h.2.mlp.c_proj.weight", float.NaN)]
    [InlineData("pythia-parallel", "gpt_neox.layers.1.attention.query_key_value.weight", float.NaN)]
    [InlineData("phi3-window", "model.layers.0.mlp.gate_up_proj.weight", float.NegativeInfinity)]
    [InlineData("mpt", "transformer.norm_f.weight", float.NaN)]
    public void A_number_that_is_none_is_told_with_file_and_published_name(string name, string tensor, float value)
    {
        var folder = PublishedFolders.Copy(name, temporary["m"]);
        using (NewDisposeScope())
            Change(folder, tensors => tensors[tensor].view(-1)[tensors[tensor].numel() - 1] = value);

        Refused<CheckpointException>(folder, "model.safetensors", $"'{tensor}'", "not finite");
    }

    [Fact]
    public void A_number_that_the_type_cannot_hold_is_told_with_the_remedy()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        using (NewDisposeScope())
            Change(folder, tensors => tensors["model.norm.weight"][3] = 1e6);
        var error = Assert.Throws<CheckpointException>(() => PublishedModel.Load(folder, dtype: ScalarType.Float16));

        Assert.All(["model.norm.weight", "Float16 cannot hold", "Float32"], word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void A_head_that_is_tied_and_differs_is_told_with_both_names()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        using (NewDisposeScope())
            Change(folder, tensors => tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"] + 1);

        Refused<CheckpointException>(folder, "'lm_head.weight'", "'model.embed_tokens.weight'", "tie_word_embeddings");
    }

    [Theory]
    [InlineData(false, "'lm_head.weight'", "set tie_word_embeddings to true")]
    [InlineData(true, "neither", "'model.embed_tokens.weight'", "'lm_head.weight'", "download it again")]
    public void A_head_or_a_table_that_is_absent_is_told_with_the_remedy(bool isTied, params string[] words)
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        if (isTied)
        {
            using (NewDisposeScope())
                Change(folder, tensors => tensors.Remove("model.embed_tokens.weight"));
        }
        else
        {
            var config = Path.Combine(folder, "config.json");
            File.WriteAllText(config, File.ReadAllText(config).Replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false", StringComparison.Ordinal));
        }

        Refused<CheckpointMismatchException>(folder, ["model.safetensors", .. words]);
    }

    [Theory]
    [InlineData("config.json", 0)]
    [InlineData("config.json", 90)]
    [InlineData("model.safetensors.index.json", 0)]
    [InlineData("model.safetensors.index.json", 200)]
    public void A_configuration_or_an_index_that_is_cut_is_told_with_the_remedy(string file, int length)
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        File.WriteAllBytes(Path.Combine(folder, file), File.ReadAllBytes(Path.Combine(folder, file))[..length]);
        File.WriteAllText(Path.Combine(folder, "abc.incomplete"), "");

        if (file == "config.json")
            Refused<ConfigurationException>(folder, file, "download it again", "'abc.incomplete'");
        else
            Refused<SafetensorsException>(folder, file, "download it again", "'abc.incomplete'");
    }

    [Fact]
    public void Shards_without_their_index_are_told_with_its_name()
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        File.Delete(Path.Combine(folder, "model.safetensors.index.json"));

        Refused<FileNotFoundException>(folder, ".safetensors, which is not read", "Download model.safetensors.index.json");
    }

    [Fact]
    public void A_download_of_the_hubs_cache_that_did_not_end_is_told_by_name()
    {
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["snapshots/m"]);
        Directory.CreateDirectory(Path.Combine(folder, "..", "..", "blobs"));
        File.WriteAllText(Path.Combine(folder, "..", "..", "blobs", "abc.incomplete"), "");
        File.Delete(Path.Combine(folder, "model-00002-of-00003.safetensors"));

        Refused<SafetensorsException>(folder, "model-00002-of-00003.safetensors", "abc.incomplete", "run it again");
    }

    [Fact]
    public void Every_difference_of_names_shapes_and_types_is_told_by_published_names()
    {
        var folder = PublishedFolders.Copy("gpt2-base", temporary["m"]);
        using (NewDisposeScope())
        {
            Change(folder, tensors =>
            {
                _ = tensors.Remove("h.1.ln_2.bias");
                tensors["h.7.ln_1.weight"] = ones([30]);
                tensors["h.0.attn.c_attn.weight"] = tensors["h.0.attn.c_attn.weight"].t().contiguous();
                tensors["ln_f.bias"] = ones([30], ScalarType.Int64);
            });
        }
        var error = Assert.Throws<CheckpointMismatchException>(() => PublishedModel.Load(folder));

        Assert.Equal(["h.1.ln_2.bias"], error.Missing);
        Assert.Equal(["h.7.ln_1.weight"], error.Unexpected);
        Assert.Equal("h.0.attn.c_attn.weight: expected (30, 90), found (90, 30)", Assert.Single(error.WrongShape).ToString());
        Assert.Equal("ln_f.bias", Assert.Single(error.WrongDtype).Name);
    }

    [Fact]
    public void Files_that_were_cut_are_refused_wherever_the_cut_is()
    {
        foreach (var name in (string[])["gpt2-base", "llama-gqa-bin", "llama-gqa-sharded"])
        {
            var folder = PublishedFolders.Copy(name, temporary[name]);
            var file = Directory.GetFiles(folder, "*.safetensors").Concat(Directory.GetFiles(folder, "*.bin")).First(path => !path.EndsWith("expected.safetensors", StringComparison.Ordinal));
            var bytes = File.ReadAllBytes(file);
            var random = new Random(5);
            foreach (var length in Enumerable.Range(0, 40).Select(_ => random.Next(bytes.Length)).Append(0).Append(bytes.Length - 1))
            {
                File.WriteAllBytes(file, bytes[..length]);
                var error = Assert.ThrowsAny<IOException>(() => PublishedModel.Load(folder));
                Assert.True(error is SafetensorsException or PickleException, $"{length}: {error}");
                Assert.Contains(Path.GetFileName(file), error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Theory]
    [InlineData("<!DOCTYPE html><html>Log in</html>", "'<!DOCTYPE'", "a web page")]
    [InlineData("Access to this model is restricted.", "'Access to'", "a server's message")]
    public void A_page_in_place_of_weights_is_told_by_its_words(string page, params string[] words)
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        File.WriteAllText(Path.Combine(folder, "model.safetensors"), page);

        Refused<SafetensorsException>(folder, ["model.safetensors", "download it again", .. words]);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(100)]
    [InlineData(20_000)]
    public void A_cut_file_names_the_download_beside_it_that_did_not_end(int length)
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        var weights = Path.Combine(folder, "model.safetensors");
        File.WriteAllBytes(weights, File.ReadAllBytes(weights)[..length]);
        File.WriteAllText(Path.Combine(folder, "abc.incomplete"), "");

        Refused<SafetensorsException>(folder, "model.safetensors", "'abc.incomplete'", "run it again");
    }

    [Fact]
    public void Whole_numbers_are_told_from_weights_of_another_type()
    {
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        var weights = Path.Combine(folder, "model.safetensors");
        File.WriteAllBytes(weights, Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(File.ReadAllBytes(weights)).Replace("\"F32\"", "\"I32\"", StringComparison.Ordinal)));

        Refused<CheckpointMismatchException>(folder, "model.safetensors", "model.norm.weight", "I32", "not quantized");
    }

    [Fact]
    public void A_pickle_of_old_and_one_that_holds_more_are_refused()
    {
        var folder = PublishedFolders.Copy("llama-gqa-bin", temporary["m"]);
        var file = Path.Combine(folder, "pytorch_model.bin");
        File.WriteAllBytes(file, [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, .. new byte[40]]);
        Refused<PickleException>(folder, "pytorch_model.bin", "1.6");

        File.WriteAllBytes(file, Encoding.ASCII.GetBytes("<html>Access denied</html>"));
        Refused<PickleException>(folder, "pytorch_model.bin", "download it again");
    }

    [Fact]
    public void A_folder_of_this_library_is_not_a_published_one()
    {
        using (var model = new LanguageModelBuilder { VocabSize = 9, ModelDim = 8, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2).Build())
            model.Save(temporary["own"]);

        Refused<ConfigurationException>(temporary["own"], "config.json", nameof(LanguageModel));
    }

    private static void Change(string folder, Action<Dictionary<string, Tensor>> change)
    {
        var path = Path.Combine(folder, "model.safetensors");
        Dictionary<string, Tensor> tensors;
        using (var reader = new SafetensorsReader(path))
            tensors = reader.ReadAll();
        change(tensors);
        SafetensorsWriter.Save(path, tensors);
    }

    private static void Refused<T>(string folder, params string[] words)
        where T : Exception
    {
        var error = Assert.ThrowsAny<T>(() => PublishedModel.Load(folder));
        Assert.All(words, word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("(Parameter", error.Message, StringComparison.Ordinal);
    }
}
