using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>A SAELens folder with another activation than relu was loaded as relu; settings of the other layouts were passed over too.</summary>
[NoTensorLeak]
public sealed class Report32SaeLensActivationIgnored
{
    private static readonly float[] input = [2, -1];

    public static TheoryData<string, string> RefusedBySaeLens => new()
    {
        { """{"activation_fn_str":"tanh-relu"}""", "tanh-relu" },
        { """{"activation_fn":"gelu"}""", "gelu" },
        { """{"activation_fn":"relu","activation_fn_str":"topk"}""", "another spelling" },
        { """{"activation_fn":{"name":"relu"}}""", "activation_fn" },
        { """{"activation_fn":"topk","architecture":"jumprelu"}""", "topk" },
        { """{"activation_fn":"relu","activation_fn_kwargs":{"k":3}}""", "'k'" },
        { """{"activation_fn":"topk","activation_fn_kwargs":{"k":1,"postact_fn":"identity"}}""", "postact_fn" },
        { """{"activation_fn":"topk","activation_fn_kwargs":{"k":1.5}}""", "1.5" },
        { """{"activation_fn":"topk","k":1,"activation_fn_kwargs":{"k":2}}""", "activation_fn_kwargs.k 2" },
        { """{"architecture":"transcoder"}""", "transcoder" },
        { """{"normalize_activations":"batch_norm"}""", "batch_norm" },
        { """{"normalize_activations":"expected_average_only_in"}""", "InputScale" },
        { """{"normalize_activations":true}""", "InputScale" },
        { """{"rescale_acts_by_decoder_norm":true}""", "rescale_acts_by_decoder_norm" },
        { """{"finetuning_scaling_factor":true}""", "scaling_factor" },
        { """{"apply_b_dec_to_input":"false"}""", "apply_b_dec_to_input" },
        { """{"apply_b_dec_to_input":0}""", "apply_b_dec_to_input" },
        { """{"reshape_activations":"hook_q"}""", "hook_q" },
        { """{"hook_name":"blocks.1.ln2","hook_name_out":"blocks.1.mlp"}""", "hook_name_out" },
        { """{"d_out":7}""", "d_out" },
        { """{"d_sae":3}""", "d_sae" },
        { """{"d_in":5}""", "d_in" },
        { """{"act_fn_of_mine":"sin"}""", "act_fn_of_mine" },
        { """{"use_skip":true}""", "use_skip" },
        { """{"metadata":{"hook_name":"a","transcoder_target":"b"}}""", "transcoder_target" },
    };

    [Theory]
    [MemberData(nameof(RefusedBySaeLens))]
    public void A_setting_that_changes_results_and_is_not_obeyed_is_refused_by_name_and_value(string settings, string named)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, settings);
        var error = Assert.ThrowsAny<Exception>(() => AutoencoderFile.Load(folder.Path));
        Assert.True(error is NotSupportedException or InvalidDataException or CheckpointMismatchException, error.ToString());
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{}""", 1f, 0f)] // relu(2 - .5 - .5)
    [InlineData("""{"activation_fn":null,"normalize_activations":null}""", 1f, 0f)]
    [InlineData("""{"activation_fn_str":"relu","activation_fn_kwargs":{},"normalize_activations":"none","dtype":"float32"}""", 1f, 0f)]
    [InlineData("""{"apply_b_dec_to_input":false}""", 1.5f, 0f)]
    [InlineData("""{"activation_fn":"topk","activation_fn_kwargs":{"k":1}}""", 1f, 0f)]
    [InlineData("""{"noise":0.1,"decoder_init_norm":0.1,"seqpos_slice":[null],"lr":0.001,"use_ghost_grads":true}""", 1f, 0f)]
    public void A_setting_that_is_read_is_obeyed(string settings, float first, float second)
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, settings);
        using var loaded = AutoencoderFile.Load(folder.Path);

        Check([first, second], loaded);
        Assert.Empty(loaded.UnreadSettings);
    }

    [Fact]
    public void Settings_of_unknown_meaning_are_listed_and_a_head_is_told()
    {
        using var folder = new TemporaryFolder();
        Write(folder.Path, """{"hook_head_index":3,"seqpos_slice":[1,64],"my_note":"x","empty":[],"off":false}""");
        using (var loaded = AutoencoderFile.Load(folder.Path))
        {
            Assert.Equal(3, loaded.HeadIndex);
            Assert.Equal(["seqpos_slice", "my_note"], loaded.UnreadSettings);
        }
        Write(folder.Path, """{"metadata":{"hook_name":"a","hook_head_index":5,"odd":1}}""");
        using (var loaded = AutoencoderFile.Load(folder.Path))
        {
            Assert.Equal((5L, "a"), (loaded.HeadIndex, loaded.HookName));
            Assert.Equal(["metadata.odd"], loaded.UnreadSettings);
        }
    }

    [Fact]
    public void A_scale_of_the_activations_is_folded_from_its_file_or_from_the_options()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Write(folder.Path, """{"normalize_activations":"expected_average_only_in"}""");
        using (var loaded = AutoencoderFile.Load(folder.Path, new AutoencoderLoadOptions { InputScale = 2 }))
            Check([3, 0], loaded); // relu(2 * 2 - .5 - .5)
        using (var loaded = AutoencoderFile.Load(folder.Path, new AutoencoderLoadOptions { InputScale = 1 }))
            Check([1, 0], loaded);
        File.WriteAllText(folder["activation_scaler.json"], """{"scaling_factor":3}""");
        using (var loaded = AutoencoderFile.Load(folder.Path))
        {
            Check([5, 0], loaded);
            // Trained on x' = 3 x: x' is rebuilt as codes + .5, and x as a third of it.
            using var frozen = no_grad();
            Close.Check("output", tensor(new[] { 5.5f / 3, .5f / 3 }, [1, 2]), loaded.Autoencoder.Reconstruct(tensor(input, [1, 2])), absolute: 1e-6);
        }
        Write(folder.Path, """{"normalize_activations":"none"}""");
        Assert.Contains("activation_scaler.json", Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fine_tuned_scale_is_obeyed_where_it_is_asked_for()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        Write(folder.Path, """{"finetuning_scaling_factor":true}""", ("scaling_factor", tensor(new float[] { 3, 1 })));
        using (var loaded = AutoencoderFile.Load(folder.Path))
            Close.Check("output", tensor(new[] { 3.5f, .5f }, [1, 2]), loaded.Autoencoder.Reconstruct(tensor(input, [1, 2])));
        Write(folder.Path, "{}", ("scaling_factor", tensor(new float[] { 3, 1 })));
        Assert.Throws<InvalidDataException>(() => AutoencoderFile.Load(folder.Path));
        Write(folder.Path, "{}", ("scaling_factor", ones(2)));
        using (var loaded = AutoencoderFile.Load(folder.Path))
            Check([1, 0], loaded);
    }

    [Fact]
    public void A_tensor_that_a_kind_does_not_use_or_lacks_is_named()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        Write(folder.Path, "{}", ("W_skip", eye(2)));
        Assert.Equal(["W_skip"], Assert.Throws<CheckpointMismatchException>(() => AutoencoderFile.Load(folder.Path)).Unexpected);
        Write(folder.Path, "{}", ("threshold", ones(2)));
        Assert.Equal(["threshold"], Assert.Throws<CheckpointMismatchException>(() => AutoencoderFile.Load(folder.Path)).Unexpected);
        SafetensorsWriter.Save(folder["sae_weights.safetensors"], new Dictionary<string, Tensor> { ["W_enc"] = eye(2), ["W_dec"] = eye(2), ["b_dec"] = zeros(2) });
        Assert.Equal(["b_enc"], Assert.Throws<CheckpointMismatchException>(() => AutoencoderFile.Load(folder.Path)).Missing);
    }

    public static TheoryData<string, string, string, string, string> OtherLayouts => new()
    {
        { "sparsify/layers.1", "cfg.json", "activation", "\"groupmax\"", "groupmax" },
        { "sparsify/layers.1", "cfg.json", "transcode", "true", "transcode" },
        { "sparsify/layers.1", "cfg.json", "skip_connection", "true", "skip_connection" },
        { "sparsify/layers.1", "cfg.json", "signed", "true", "signed" },
        { "sparsify/layers.1", "cfg.json", "gram_lookup", "true", "gram_lookup" },
        { "sparsify/layers.1", "cfg.json", "transcode", "\"yes\"", "transcode" },
        { "sparsify/layers.1", "cfg.json", "k", "2.5", "2.5" },
        { "sparsify/layers.1", "cfg.json", "num_latents", "11", "num_latents" },
        { "sparsify/layers.1", "cfg.json", "d_in", "7", "d_in" },
        { "sparsify/layers.1", "cfg.json", "glu_encoder", "1", "glu_encoder" },
        { "llama_scope", "hyperparams.json", "act_fn", "\"relu\"", "relu" },
        { "llama_scope", "hyperparams.json", "act_fn", "\"topk\"", "" },
        { "llama_scope", "hyperparams.json", "norm_activation", "\"token-wise\"", "token-wise" },
        { "llama_scope", "hyperparams.json", "hook_point_out", "\"blocks.1.hook_mlp_out\"", "hook_mlp_out" },
        { "llama_scope", "hyperparams.json", "dataset_average_activation_norm", "{\"in\":3.7,\"out\":1}", "dataset_average_activation_norm" },
        { "llama_scope", "hyperparams.json", "use_decoder_bias", "false", "use_decoder_bias" },
        { "llama_scope", "hyperparams.json", "use_glu_encoder", "true", "use_glu_encoder" },
        { "llama_scope", "hyperparams.json", "d_sae", "9", "d_sae" },
        { "llama_scope", "hyperparams.json", "jump_relu_threshold", "\"0.4\"", "jump_relu_threshold" },
        { "topafa", "config.json", "sae_type", "\"gated\"", "gated" },
        { "topafa", "config.json", "input_unit_norm", "\"true\"", "input_unit_norm" },
        { "topafa", "config.json", "dict_size", "11", "dict_size" },
        { "topafa", "config.json", "act_fn", "\"sin\"", "act_fn" },
        { "dictionary_learning", "config.json", "trainer.dict_class", "\"AutoEncoderNew\"", "AutoEncoderNew" },
        { "dictionary_learning", "config.json", "trainer.k", "4", "k is 4" },
        { "dictionary_learning", "config.json", "trainer.dict_size", "11", "dict_size" },
        { "dictionary_learning", "config.json", "trainer.postact_fn", "\"sin\"", "postact_fn" },
        { "dictionary_learning", "config.json", "buffer.io", "\"in_and_out\"", "in_and_out" },
    };

    [Theory]
    [MemberData(nameof(OtherLayouts))]
    public void The_other_layouts_obey_or_refuse_too(string layout, string file, string setting, string value, string named)
    {
        using var folder = new TemporaryFolder();
        var copy = Copy(layout, folder);
        var path = Path.Combine(copy, file);
        var root = JsonNode.Parse(File.ReadAllText(path))!;
        var names = setting.Split('.');
        var owner = names.Length == 1 ? root : root[names[0]]!;
        owner[names[^1]] = JsonNode.Parse(value);
        File.WriteAllText(path, root.ToJsonString());
        if (named.Length == 0)
        {
            AutoencoderFile.Load(copy).Dispose(); // converted to thresholds, as that library does
            return;
        }
        var error = Assert.ThrowsAny<Exception>(() => AutoencoderFile.Load(copy));
        Assert.True(error is NotSupportedException or InvalidDataException, error.ToString());
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Llama_Scope_thresholds_count_the_decoders_norms_where_the_file_says_so()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var folder = new TemporaryFolder();
        var copy = Copy("llama_scope", folder);
        var path = Path.Combine(copy, "hyperparams.json");
        var file = Directory.EnumerateFiles(copy, "final.safetensors", SearchOption.AllDirectories).Single();
        Dictionary<string, Tensor> weights;
        using (var reader = new SafetensorsReader(file))
            weights = reader.ReadAll();
        weights["decoder.weight"] = weights["decoder.weight"] * (arange(10) + 1); // rows of norms of their own
        SafetensorsWriter.Save(file, weights);
        using var plain = AutoencoderFile.Load(copy);
        File.WriteAllText(path, File.ReadAllText(path).Replace("{\"d_model\"", "{\"sparsity_include_decoder_norm\":true,\"apply_decoder_bias_to_pre_encoder\":true,\"d_model\"", StringComparison.Ordinal));
        using var counted = AutoencoderFile.Load(copy);

        var (first, second) = ((JumpReluAutoencoder)plain.Autoencoder, (JumpReluAutoencoder)counted.Autoencoder);
        // Folding the scale in divides the decoder by it.
        var norms = first.Atoms.norm(1) * (Math.Sqrt(6) / 3.7);
        Close.Check("thresholds", first.Thresholds() / norms, second.Thresholds(), relative: 1e-5);
        Assert.Empty(counted.UnreadSettings);
        Assert.True(second.Options.SubtractsDecoderBias);
        Assert.False(first.Options.SubtractsDecoderBias);
    }

    [Theory]
    [InlineData("TopK", "Jump", "Jump")]
    [InlineData("ReLU", "Sigm", "postact_fn")]
    public void An_OpenAI_file_of_another_activation_is_refused(string from, string to, string named)
    {
        using var folder = new TemporaryFolder();
        var copy = Copy("openai", folder);
        var path = Directory.EnumerateFiles(copy, "*.pt", SearchOption.AllDirectories).First();
        if (!Replace(path, from, to))
            return; // the golden file does not hold it
        Assert.Contains(named, Assert.Throws<NotSupportedException>(() => AutoencoderFile.Load(path)).Message, StringComparison.Ordinal);
    }

    private static bool Replace(string path, string from, string to)
    {
        using var archive = ZipFile.Open(path, ZipArchiveMode.Update);
        var entry = archive.Entries.First(one => one.FullName.EndsWith("/data.pkl", StringComparison.Ordinal));
        var name = entry.FullName;
        using var memory = new MemoryStream();
        using (var stream = entry.Open())
            stream.CopyTo(memory);
        var text = Encoding.Latin1.GetString(memory.ToArray());
        if (!text.Contains(from, StringComparison.Ordinal))
            return false;
        entry.Delete();
        using var written = archive.CreateEntry(name, CompressionLevel.NoCompression).Open();
        written.Write(Encoding.Latin1.GetBytes(text.Replace(from, to, StringComparison.Ordinal)));
        return true;
    }

    private static string Copy(string layout, TemporaryFolder folder)
    {
        var source = Path.Combine(GoldenSource.Repository.Root!, "interp", "ckpt", layout);
        var target = folder[Path.GetFileName(layout)];
        Directory.CreateDirectory(target);
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var to = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(to)!);
            File.Copy(file, to);
        }
        return target;
    }

    private static void Write(string folder, string settings, params (string Name, Tensor Value)[] more)
    {
        File.WriteAllText(Path.Combine(folder, "cfg.json"), settings);
        using var scope = NewDisposeScope();
        var weights = new Dictionary<string, Tensor> { ["W_enc"] = eye(2), ["W_dec"] = eye(2), ["b_enc"] = full(2, -.5), ["b_dec"] = full(2, .5) };
        foreach (var (name, value) in more)
            weights[name] = value;
        SafetensorsWriter.Save(Path.Combine(folder, "sae_weights.safetensors"), weights);
    }

    private static void Check(float[] codes, LoadedAutoencoder loaded)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Close.Check("codes", tensor(codes, [1, codes.Length]), loaded.Autoencoder.Encode(tensor(input, [1, 2])), absolute: 1e-6);
    }
}
