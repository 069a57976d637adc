using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Published folders are opened whatever their files are, and saved as they were.</summary>
[NoTensorLeak]
public class RoundTripTests
{
    public static TheoryData<string> Folders => [.. PublishedFolders.All.Select(folder => Path.GetFileName(folder)!)];

    [Theory]
    [MemberData(nameof(Folders))]
    public void The_logits_are_those_of_the_folder(string name)
    {
        var folder = PublishedFolders.Of(name);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var published = PublishedModel.Load(folder, dtype: ScalarType.Float64);
        using var reader = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
        var wanted = reader.Read("logits");
        var found = published.Model.call(reader.Read("input_ids"), null);

        Assert.True(((found - wanted).abs().max() / wanted.abs().max()).ToDouble() < 1e-10);
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Every_tensor_is_saved_under_its_name_with_its_bytes(string name)
    {
        var folder = PublishedFolders.Of(name);
        using var scope = NewDisposeScope();
        using var saved = new TemporaryFolder();
        using (var published = PublishedModel.Load(folder))
        {
            published.Save(saved["out"]);

            using var before = PublishedFolders.Open(folder);
            using var after = new SafetensorsReader(Path.Combine(saved["out"], "model.safetensors"));
            var spare = published.SpareTensors;
            Assert.Equal(before.Entries.Select(entry => entry.Name).Except(spare).Order(StringComparer.Ordinal), after.Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
            foreach (var entry in after.Entries)
            {
                var (one, other) = (before.Read(entry.Name), after.Read(entry.Name));
                Assert.Equal(one.dtype, other.dtype);
                Assert.Equal(one.contiguous().bytes.ToArray(), other.bytes.ToArray());
            }
            Assert.Equal("pt", after.Metadata["format"]);
        }
        foreach (var file in (string[])["config.json", "generation_config.json"])
        {
            var path = Path.Combine(folder, file);
            Assert.Equal(File.Exists(path), File.Exists(Path.Combine(saved["out"], file)));
            if (File.Exists(path))
                Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(saved["out"], file)));
        }
    }

    /// <summary>A model in a family's layout that was made here, as a user trains one.</summary>
    [Theory]
    [MemberData(nameof(Folders))]
    public void A_new_model_of_the_layout_is_saved_and_opened(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var saved = new TemporaryFolder();
        var layout = PublishedLayout.Read(PublishedFolders.Of(name));
        var builder = layout.CreateBuilder();
        builder.Options.ResidualDropoutRate = 0; // said, and the default
        builder.Options.Seed = 12;
        using var model = builder.Build();
        layout.Save(saved["out"], model, folder => File.WriteAllText(Path.Combine(folder, "note.txt"), "mine"));
        using var opened = PublishedModel.Load(saved["out"]);
        using var plain = LanguageModel.Load(saved["out"]);
        var tokens = arange(0, 12, ScalarType.Int64).unsqueeze(0);
        var wanted = model.call(tokens, null);

        Assert.True(wanted.Equals(opened.Model.call(tokens, null)));
        Assert.True(wanted.Equals(plain.call(tokens, null)));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(saved["out"], "note.txt")));
        Assert.Empty(opened.SpareTensors);
    }

    /// <summary>Opened in another type, saved in that type, and its configuration says so.</summary>
    [Theory]
    [InlineData("gpt2-base", ScalarType.BFloat16, "bfloat16")]
    [InlineData("llama-gqa-bin", ScalarType.Float16, "float16")]
    [InlineData("llama-gqa-bf16", ScalarType.Float32, "float32")]
    [InlineData("pythia-parallel", ScalarType.Float64, "float64")]
    public void Another_type_is_saved_with_its_name(string name, ScalarType type, string word)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var saved = new TemporaryFolder();
        using var first = PublishedModel.Load(PublishedFolders.Of(name), dtype: type);
        first.Save(saved["out"]);
        using var second = PublishedModel.Load(saved["out"]);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(saved["out"], "config.json")))!;

        Assert.Equal(word, (config["torch_dtype"] ?? config["dtype"])!.GetValue<string>());
        Assert.Equal(File.ReadAllText(Path.Combine(PublishedFolders.Of(name), "config.json")).Split('\n').Length, File.ReadAllText(Path.Combine(saved["out"], "config.json")).Split('\n').Length);
        var (ours, theirs) = (ModuleTensors.Of(first.Model), ModuleTensors.Of(second.Model));
        foreach (var (tensor, value) in ours)
            Assert.True(value.Equals(theirs[tensor]) && value.dtype == theirs[tensor].dtype, tensor);
    }

    /// <summary>An index whose map leaves tensors of its files out, and a folder of links as the download cache has.</summary>
    [Fact]
    public void An_index_decides_and_links_are_followed()
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var blobs = PublishedFolders.Copy("llama-gqa-sharded", temporary["blobs"]);
        var (path, more) = (Path.Combine(blobs, "model-00001-of-00003.safetensors"), new Dictionary<string, Tensor>());
        using (var reader = new SafetensorsReader(path))
            more = reader.ReadAll();
        more["model.extra.weight"] = ones([3]);
        SafetensorsWriter.Save(path, more);
        var snapshot = Directory.CreateDirectory(temporary["snapshot"]).FullName;
        foreach (var file in Directory.GetFiles(blobs))
            File.CreateSymbolicLink(Path.Combine(snapshot, Path.GetFileName(file)), Path.Combine("..", "blobs", Path.GetFileName(file)));
        using var published = PublishedModel.Load(snapshot);

        Assert.Equal(["model.extra.weight"], published.SpareTensors);
        published.Save(temporary["out"]);
        using var saved = new SafetensorsReader(Path.Combine(temporary["out"], "model.safetensors"));
        Assert.DoesNotContain("model.extra.weight", saved.Entries.Select(entry => entry.Name));
    }

    [Fact]
    public void An_index_of_PyTorch_files_is_read_and_the_first_kind_of_weights_is_taken()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("gpt2-base-bin", temporary["m"]);
        var names = PublishedFolders.Names(folder);
        File.Move(Path.Combine(folder, "pytorch_model.bin"), Path.Combine(folder, "pytorch_model-00001-of-00002.bin"));
        File.Copy(Path.Combine(folder, "pytorch_model-00001-of-00002.bin"), Path.Combine(folder, "pytorch_model-00002-of-00002.bin"));
        var map = new JsonObject(names.Select((name, index) => KeyValuePair.Create(name, (JsonNode?)$"pytorch_model-0000{1 + (index % 2)}-of-00002.bin")));
        File.WriteAllText(Path.Combine(folder, "pytorch_model.bin.index.json"), new JsonObject { ["weight_map"] = map }.ToJsonString());
        var tokens = arange(0, 12, ScalarType.Int64).unsqueeze(0);
        using var wanted = PublishedModel.Load(PublishedFolders.Of("gpt2-base-bin"));
        using (var found = PublishedModel.Load(folder))
            Assert.True(wanted.Model.call(tokens, null).Equals(found.Model.call(tokens, null)));

        // Whatever comes later in the order is not looked at.
        File.Copy(Path.Combine(PublishedFolders.Of("gpt2-base"), "model.safetensors"), Path.Combine(folder, "model.safetensors"));
        File.WriteAllText(Path.Combine(folder, "pytorch_model.bin.index.json"), "nothing");
        File.WriteAllText(Path.Combine(folder, "pytorch_model.bin"), "nothing");
        using (var found = PublishedModel.Load(folder))
            Assert.True(wanted.Model.call(tokens, null).Equals(found.Model.call(tokens, null)));
    }

    [Fact]
    public void A_tensor_that_two_files_hold_is_taken_from_the_one_that_the_index_names()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("llama-gqa-sharded", temporary["m"]);
        var map = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "model.safetensors.index.json")))!["weight_map"]!.AsObject();
        foreach (var shard in map.Select(pair => pair.Value!.GetValue<string>()).Distinct())
        {
            Dictionary<string, Tensor> tensors;
            using (var reader = new SafetensorsReader(Path.Combine(folder, shard)))
                tensors = reader.ReadAll();
            foreach (var (name, file) in map.Where(pair => pair.Value!.GetValue<string>() != shard))
                tensors[name] = ones([2]);
            SafetensorsWriter.Save(Path.Combine(folder, shard), tensors);
        }
        var tokens = arange(0, 12, ScalarType.Int64).unsqueeze(0);
        using var wanted = PublishedModel.Load(PublishedFolders.Of("llama-gqa-sharded"));
        using var found = PublishedModel.Load(folder);

        Assert.True(wanted.Model.call(tokens, null).Equals(found.Model.call(tokens, null)));
        Assert.Empty(found.SpareTensors);
    }

    /// <summary>Most weights in bfloat16, norms in float32.</summary>
    [Fact]
    public void A_file_of_several_types_is_loaded_in_the_one_of_most_bytes_and_says_so()
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("llama-gqa-bf16", temporary["m"]);
        Dictionary<string, Tensor> tensors;
        using (var reader = new SafetensorsReader(Path.Combine(folder, "model.safetensors")))
            tensors = reader.ReadAll().ToDictionary(pair => pair.Key, pair => pair.Key.Contains("norm", StringComparison.Ordinal) ? pair.Value.to(ScalarType.Float32) : pair.Value);
        SafetensorsWriter.Save(Path.Combine(folder, "model.safetensors"), tensors);
        using var published = PublishedModel.Load(folder);
        published.Save(temporary["out"]);
        using var saved = new SafetensorsReader(Path.Combine(temporary["out"], "model.safetensors"));

        Assert.Equal(ScalarType.BFloat16, ModuleTensors.Of(published.Model)["embeddings.word_embeddings.weight"].dtype);
        Assert.Contains("BFloat16, 5 of Float32; loaded as BFloat16", published.Describe(), StringComparison.Ordinal);
        foreach (var (name, tensor) in tensors)
            Assert.True(tensor.dtype == saved.Read(name).dtype && tensor.Equals(saved.Read(name)), name);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_tied_head_that_is_stored_is_saved_again_and_one_alone_is_the_embedding(bool hasEmbedding)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("llama-gqa", temporary["m"]);
        var path = Path.Combine(folder, "model.safetensors");
        Dictionary<string, Tensor> tensors;
        using (var reader = new SafetensorsReader(path))
            tensors = reader.ReadAll();
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"];
        if (!hasEmbedding)
            _ = tensors.Remove("model.embed_tokens.weight");
        SafetensorsWriter.Save(path, tensors);
        using var published = PublishedModel.Load(folder);
        using var plain = PublishedModel.Load(PublishedFolders.Of("llama-gqa"));
        published.Save(temporary["out"]);
        using var saved = new SafetensorsReader(Path.Combine(temporary["out"], "model.safetensors"));
        var tokens = arange(0, 12, ScalarType.Int64).unsqueeze(0);

        Assert.True(plain.Model.call(tokens, null).Equals(published.Model.call(tokens, null)));
        Assert.Equal(tensors.Keys.Order(StringComparer.Ordinal), saved.Entries.Select(entry => entry.Name).Order(StringComparer.Ordinal));
        Assert.True(saved.Read("lm_head.weight").Equals(tensors["lm_head.weight"]));
        Assert.Equal(hasEmbedding, published.Describe().Contains("tied head: lm_head.weight", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("gpt2-base", "rotary_emb.inv_freq")]
    [InlineData("gpt2-base", "h.0.attn.rotary_emb.inv_freq")]
    [InlineData("llama-gqa", "model.rotary_emb.inv_freq")]
    public void Stored_frequencies_are_left_out_wherever_they_stand(string name, string tensor)
    {
        using var scope = NewDisposeScope();
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy(name, temporary["m"]);
        var path = Path.Combine(folder, "model.safetensors");
        Dictionary<string, Tensor> tensors;
        using (var reader = new SafetensorsReader(path))
            tensors = reader.ReadAll();
        tensors[tensor] = ones(4);
        SafetensorsWriter.Save(path, tensors);
        using var published = PublishedModel.Load(folder);

        Assert.Contains(tensor, published.SpareTensors);
    }

    [Fact]
    public void The_report_names_family_files_types_and_what_was_left_out()
    {
        using var published = PublishedModel.Load(PublishedFolders.Of("gpt2-base"), dtype: ScalarType.Float64);
        var report = published.Describe();

        Assert.All(["gpt2 from", "model.safetensors", "Float32; loaded as Float64", "h.0.attn.bias", "parameters"], word => Assert.Contains(word, report, StringComparison.Ordinal));
        Assert.All(published.Layout.IgnoredOptions, option => Assert.Contains(option, report, StringComparison.Ordinal));
        Assert.NotEmpty(published.SpareTensors);
    }

    [Fact]
    public void Files_of_the_tokenizer_go_with_the_model()
    {
        using var temporary = new TemporaryFolder();
        var folder = PublishedFolders.Copy("qwen2-tied", temporary["m"]);
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "chat_template.jinja"), "x");
        File.WriteAllText(Path.Combine(folder, "README.md"), "x");
        using var published = PublishedModel.Load(folder);
        published.Save(temporary["out"], to => File.WriteAllText(Path.Combine(to, "tokenizer.json"), "{ }"));
        published.Save(folder); // over itself

        Assert.Equal("{ }", File.ReadAllText(Path.Combine(temporary["out"], "tokenizer.json")));
        Assert.True(File.Exists(Path.Combine(temporary["out"], "chat_template.jinja")));
        Assert.False(File.Exists(Path.Combine(temporary["out"], "README.md")));
        Assert.Equal("{}", File.ReadAllText(Path.Combine(folder, "tokenizer.json")));
    }
}
