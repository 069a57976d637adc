using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using Xunit.Abstractions;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Options of the published families, the golden folders' and others, against plain sums of doubles.</summary>
[NoTensorLeak]
public class PublishedVariantsTests(ITestOutputHelper output)
{
    private const double Exact = 1e-10;
    private const string Long = """ "original_max_position_embeddings":8,"max_position_embeddings":32,"rope_scaling":{"type":"longrope","short_factor":[1,1.1,1.3,1.7],"long_factor":[1.2,2,5,9]} """;

    private static readonly Dictionary<string, string> sizes = new()
    {
        ["gpt2"] = """ "n_embd":20,"n_layer":3,"n_head":5,"n_positions":16 """,
        ["llama"] = """ "hidden_size":24,"num_hidden_layers":2,"num_attention_heads":6,"intermediate_size":28,"max_position_embeddings":8 """,
        ["mistral"] = """ "hidden_size":32,"num_hidden_layers":3,"num_attention_heads":16,"intermediate_size":28,"max_position_embeddings":8 """,
        ["gpt_neox"] = """ "hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":28,"max_position_embeddings":8 """,
        ["gptj"] = """ "n_embd":24,"n_layer":2,"n_head":3,"n_positions":16,"rotary_dim":6 """,
        ["mpt"] = """ "d_model":24,"n_layers":2,"n_heads":3,"max_seq_len":16 """,
        ["qwen2"] = """ "hidden_size":24,"num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":3,"intermediate_size":28 """,
        ["qwen3"] = """ "hidden_size":24,"num_hidden_layers":3,"num_attention_heads":6,"num_key_value_heads":2,"head_dim":6,"intermediate_size":28 """,
        ["gemma2"] = """ "hidden_size":24,"num_hidden_layers":3,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":10,"intermediate_size":28,"sliding_window":3 """,
        ["gemma3_text"] = """ "hidden_size":24,"num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":1,"head_dim":10,"intermediate_size":28,"sliding_window":3 """,
        ["phi3"] = """ "hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":28,"max_position_embeddings":8 """,
        ["bloom"] = """ "hidden_size":24,"n_layer":2,"n_head":3 """,
        ["olmo2"] = """ "hidden_size":24,"num_hidden_layers":2,"num_attention_heads":6,"intermediate_size":28,"max_position_embeddings":8 """,
    };

    public static TheoryData<string, string> Variants => new()
    {
        { "gpt2", """ "scale_attn_weights":false,"activation_function":"relu" """ },
        { "gpt2", """ "scale_attn_by_inverse_layer_idx":true,"tie_word_embeddings":false,"n_inner":17 """ },
        { "gpt2", """ "scale_attn_weights":false,"scale_attn_by_inverse_layer_idx":true,"layer_norm_epsilon":0.1,"activation_function":"gelu" """ },
        { "llama", """ "attention_bias":true,"mlp_bias":true,"tie_word_embeddings":true,"rms_norm_eps":0.1 """ },
        { "llama", """ "attention_bias":true,"num_key_value_heads":2,"head_dim":10,"rope_theta":500 """ },
        { "llama", """ "mlp_bias":true,"num_key_value_heads":1,"hidden_act":"gelu" """ },
        { "llama", """ "rope_scaling":{"type":"linear","factor":2.5} """ },
        { "llama", """ "head_dim":8,"rope_scaling":{"type":"dynamic","factor":3} """ },
        { "llama", """ "head_dim":8,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":0.5,"high_freq_factor":3,"original_max_position_embeddings":64} """ },
        { "llama", """ "head_dim":16,"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":64,"truncate":false} """ },
        { "llama", """ "head_dim":16,"rope_scaling":{"rope_type":"yarn","factor":4,"beta_fast":8,"beta_slow":0.5,"mscale":0.7,"mscale_all_dim":1.3} """ },
        { "llama", """ "head_dim":16,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":32,"attention_factor":1.3,"mscale":0.7,"mscale_all_dim":1.3} """ },
        { "llama", """ "head_dim":16,"rope_scaling":{"type":"yarn","factor":4,"original_max_position_embeddings":32,"mscale":0.7} """ },
        { "mistral", """ "sliding_window":4,"num_key_value_heads":4,"head_dim":6 """ },
        { "mistral", """ "sliding_window":1,"tie_word_embeddings":true """ },
        { "mistral", """ "sliding_window":null """ },
        { "gpt_neox", """ "attention_bias":false,"rotary_pct":1.0,"use_parallel_residual":false """ },
        { "gpt_neox", """ "rotary_pct":0.5,"rotary_emb_base":300,"hidden_act":"gelu_fast","tie_word_embeddings":true,"rope_scaling":{"type":"linear","factor":3} """ },
        { "gptj", """ "rotary_dim":8,"n_inner":19 """ },
        { "gptj", """ "rotary_dim":2,"activation_function":"gelu_fast" """ },
        { "mpt", """ "attn_config":{"alibi_bias_max":16} """ },
        { "mpt", """ "n_heads":6,"attn_config":{"clip_qkv":0.6,"softmax_scale":0.9},"tie_word_embeddings":false """ },
        { "mpt", """ "n_heads":12,"layer_norm_epsilon":0.1,"attn_config":{"alibi_bias_max":6} """ },
        { "qwen2", """ "use_sliding_window":true,"sliding_window":3,"max_window_layers":1 """ },
        { "qwen2", """ "use_sliding_window":false,"sliding_window":3,"max_window_layers":0,"tie_word_embeddings":true """ },
        { "qwen2", """ "use_sliding_window":true,"sliding_window":2,"max_window_layers":1,"layer_types":["sliding_attention","full_attention","sliding_attention"] """ },
        { "qwen3", """ "attention_bias":true,"use_sliding_window":true,"sliding_window":3,"max_window_layers":2 """ },
        { "qwen3", """ "num_key_value_heads":6,"tie_word_embeddings":true,"rms_norm_eps":0.01,"max_position_embeddings":16,"rope_scaling":{"rope_type":"yarn","factor":2} """ },
        { "gemma2", """ "attention_bias":true,"query_pre_attn_scalar":7,"attn_logit_softcapping":1.5,"final_logit_softcapping":null """ },
        { "gemma2", """ "attn_logit_softcapping":null,"hidden_act":"relu","layer_types":["full_attention","sliding_attention","sliding_attention"] """ },
        { "gemma2", """ "tie_word_embeddings":false,"hidden_activation":"gelu","rope_theta":200 """ },
        { "gemma3_text", """ "sliding_window_pattern":2,"query_pre_attn_scalar":5 """ },
        { "gemma3_text", """ "sliding_window_pattern":1,"final_logit_softcapping":2.5,"rope_scaling":{"rope_type":"linear","factor":8} """ },
        { "gemma3_text", """ "attention_bias":true,"attn_logit_softcapping":1.0,"rope_local_base_freq":50,"rope_theta":900,"rope_scaling":{"rope_type":"linear","factor":8},"layer_types":["full_attention","sliding_attention","full_attention","sliding_attention"] """ },
        { "phi3", Long },
        { "phi3", """ "partial_rotary_factor":0.5,"num_key_value_heads":2,"tie_word_embeddings":true,"sliding_window":3,"max_position_embeddings":32,"original_max_position_embeddings":16,"rope_scaling":{"type":"su","short_factor":[1,1.4],"long_factor":[2,7]} """ },
        { "phi3", """ "original_max_position_embeddings":4,"rope_scaling":{"type":"yarn","short_factor":[1,1,1,1],"long_factor":[1,2,3,4],"attention_factor":1.4} """ },
        { "bloom", """ "apply_residual_connection_post_layernorm":true,"n_head":6 """ },
        { "bloom", """ "n_head":12,"tie_word_embeddings":false,"layer_norm_epsilon":0.1 """ },
        { "olmo2", """ "num_key_value_heads":2,"attention_bias":true """ },
        { "olmo2", """ "num_key_value_heads":1,"tie_word_embeddings":true,"rms_norm_eps":0.1,"rope_scaling":{"type":"linear","factor":2} """ },
    };

    public static TheoryData<string> Folders => [.. Directory.GetDirectories(Path.Combine(GoldenSource.Repository.Root!, "core", "models"))
        .Where(folder => File.Exists(Path.Combine(folder, "model.safetensors"))).Select(folder => Path.GetFileName(folder)!).Order(StringComparer.Ordinal)];

    // The yardstick itself.
    [Theory]
    [MemberData(nameof(Folders))]
    public void Plain_sums_are_the_golden_logits(string folder)
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(GoldenSource.Repository.Root!, "core", "models", folder);
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(path, "config.json")))!.AsObject();
        using var reader = new SafetensorsReader(Path.Combine(path, "model.safetensors"));
        var model = new PlainModel(config, reader.ReadAll().ToDictionary(pair => pair.Key, pair => Doubles(pair.Value)));
        using var expected = new SafetensorsReader(Path.Combine(path, "expected.safetensors"));
        Check(expected.Read("logits")[0], model.Logits([.. expected.Read("input_ids")[0].contiguous().data<long>()]));
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_model_with_other_options_is_its_formula(string family, string options)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var config = Config(family, options);
        var layout = PublishedLayout.FromJson(config.ToJsonString());
        using var model = LanguageModel.Build(layout.Config, new ComponentRegistry(), CPU, ScalarType.Float64, false);
        using var generator = new Generator(3);
        foreach (var (name, parameter) in model.named_parameters())
        {
            var drawn = randn(parameter.shape, dtype: ScalarType.Float64, generator: generator);
            parameter.copy_(parameter.dim() > 1 ? drawn * 1.5 / Math.Sqrt(parameter.size(1)) : (drawn * 0.3) + (name.EndsWith(".weight", StringComparison.Ordinal) ? 0.8 : 0));
        }
        var published = layout.Match([]).Map.ToPublished(ModuleTensors.Of(model));
        var plain = new PlainModel(config, published.ToDictionary(pair => pair.Key, pair => Doubles(pair.Value)));
        foreach (var tensor in published.Values)
            tensor.Dispose();
        foreach (var length in new[] { 1, 6, 13 })
        {
            long[] tokens = [.. Enumerable.Range(0, length).Select(i => (long)((i * 7) + (i * i)) % 23)];
            Check(model.call(tensor(tokens).unsqueeze(0), null)[0], plain.Logits(tokens));
        }
        Assert.Empty(plain.Unread);
    }

    [Theory]
    [MemberData(nameof(Variants))]
    public void The_newer_form_is_the_same_configuration(string family, string options)
    {
        var config = Config(family, options);
        var older = PublishedLayout.FromJson(config.ToJsonString());
        var newer = config.DeepClone().AsObject();
        if (family is "gpt2" or "gptj" or "mpt" or "bloom")
            return;
        var scaling = (newer["rope_scaling"]?.DeepClone() as JsonObject) ?? new JsonObject { ["rope_type"] = "default" };
        scaling["rope_theta"] = (newer["rope_theta"] ?? newer["rotary_emb_base"])?.GetValue<double>() ?? (family == "gemma3_text" ? 1e6 : 1e4);
        if (scaling.Remove("type", out var type))
            scaling["rope_type"] = family == "phi3" ? "longrope" : type;
        if ((newer["partial_rotary_factor"] ?? newer["rotary_pct"]) is { } share)
            scaling["partial_rotary_factor"] = share.DeepClone();
        JsonObject near = new() { ["rope_type"] = "default", ["rope_theta"] = newer["rope_local_base_freq"]?.GetValue<double>() ?? 1e4 };
        newer["rope_parameters"] = family == "gemma3_text" ? new JsonObject { ["full_attention"] = scaling, ["sliding_attention"] = near } : scaling;
        foreach (var old in (string[])["rope_theta", "rope_scaling", "rotary_emb_base", "rotary_pct", "rope_local_base_freq"])
            _ = newer.Remove(old);
        Assert.Equal(older.Config, PublishedLayout.FromJson(newer.ToJsonString()).Config);
    }

    private static JsonObject Config(string family, string options)
    {
        var root = JsonNode.Parse($"{{{sizes[family]}}}")!.AsObject();
        (root["model_type"], root["vocab_size"]) = (family, 23);
        foreach (var (key, value) in JsonNode.Parse($"{{{options}}}")!.AsObject())
            root[key] = value?.DeepClone();
        return JsonNode.Parse(root.ToJsonString())!.AsObject();
    }

    private static double[] Doubles(Tensor values) => [.. values.to(ScalarType.Float64).contiguous().data<double>()];

    private void Check(Tensor ours, double[][] wanted)
    {
        double[] flat = [.. wanted.SelectMany(row => row)];
        var largest = Doubles(ours).Zip(flat, (a, b) => Math.Abs(a - b)).Max() / flat.Max(Math.Abs);
        output.WriteLine(FormattableString.Invariant($"{largest:E1}"));
        Assert.Equal(flat.Length, ours.numel());
        Assert.True(largest < Exact, FormattableString.Invariant($"differs by {largest}"));
    }
}
