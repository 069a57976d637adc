using System.Text.Json.Nodes;

namespace LmKit;

/// <summary>The published families, each a configuration over LmKit's slots and the names of its weights.</summary>
internal static partial class PublishedFamilies
{
    private static readonly Dictionary<string, (string Class, Func<PublishedConfig, PublishedPlan> Plan)> families = new(StringComparer.Ordinal)
    {
        ["gpt2"] = ("GPT2", Gpt2),
        ["llama"] = ("Llama", Llama),
        ["mistral"] = ("Mistral", Mistral),
        ["gpt_neox"] = ("GPTNeoX", GptNeoX),
        ["gptj"] = ("GPTJ", GptJ),
        ["mpt"] = ("Mpt", Mpt),
        ["qwen2"] = ("Qwen2", Qwen2),
        ["qwen3"] = ("Qwen3", Qwen3),
        ["gemma2"] = ("Gemma2", Gemma2),
        ["gemma3_text"] = ("Gemma3", Gemma3),
        ["phi3"] = ("Phi3", Phi3),
        ["bloom"] = ("Bloom", Bloom),
        ["olmo2"] = ("Olmo2", Olmo2),
    };

    /// <summary>The names of the families.</summary>
    internal static IReadOnlyList<string> Names { get; } = [.. families.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Makes the plan of a configuration.</summary>
    /// <exception cref="ConfigurationException">The family or an option is not one that LmKit computes; names the place and the value.</exception>
    internal static (string Family, PublishedPlan Plan) Read(PublishedConfig config)
    {
        var family = config.TryText("model_type") ?? throw new ConfigurationException(config.Place("model_type"), $"is missing; it names the family, one of {string.Join(", ", Names)}");
        if (family == "gemma3")
            throw config.Wrong("model_type", JsonValue.Create(family), $"has a part for pictures, and its text part under text_config; LmKit loads text parts saved on their own, as gemma3_text");
        if (!families.TryGetValue(family, out var known))
            throw config.Wrong("model_type", JsonValue.Create(family), $"is not a family that LmKit loads; it loads {string.Join(", ", Names)}");
        CheckClass(config, known.Class);
        config.Refuse("quantization_config", "says that the weights are quantized; load the unquantized ones");
        config.Refuse("auto_map", "asks for code of the model's own, which LmKit does not run; where the weights are those of the family, take the key out", IsEmpty);
        config.Refuse("is_encoder_decoder", "asks for an encoder; LmKit loads models that have none");
        config.Refuse("add_cross_attention", "asks for attention over an encoder; LmKit loads models that have none");
        config.Refuse("use_bidirectional_attention", "lets tokens see later ones, which no causal model does");
        config.Refuse("pruned_heads", "takes heads away, which LmKit does not do", IsEmpty);
        var plan = known.Plan(config);
        if (config.TryNumber(0, 10, "initializer_range") is { } range)
            plan.Builder.Options.InitializerRange = range;
        return (family, plan);
    }

    private static bool IsEmpty(JsonNode node) => node is JsonObject { Count: 0 } or JsonArray { Count: 0 };

    // The head is that of a language model, or the file is of the model without one.
    private static void CheckClass(PublishedConfig config, string name)
    {
        var architecture = config.TryTexts("architectures")?.FirstOrDefault();
        string[] known = [$"{name}ForCausalLM", $"{name}LMHeadModel", $"{name}Model", $"{name}TextModel"];
        if (architecture is not null && !known.Contains(architecture, StringComparer.OrdinalIgnoreCase))
            throw new ConfigurationException($"{config.Place("architectures")}[0]", $"'{StrictJson.Shown(architecture)}' is not a causal language model of this family; LmKit loads {known[0]}{(name == "GPT2" ? $" and {known[1]}" : "")}");
    }

    private static PublishedPlan Gpt2(PublishedConfig config)
    {
        var plan = new PublishedPlan(config) { Prefix = "transformer.", Layer = "h", Embedding = "wte.weight", Head = "lm_head", Attention = "attn" };
        plan.Frame(isTied: true, "ln_f", hasNormBias: true, width: "n_embd", layers: "n_layer");
        var heads = plan.Heads("n_head", hasFewKeys: false);
        var builder = plan.Builder;
        plan.Rename("transformer.wpe.weight", "embeddings.learned.position_embeddings.weight");
        _ = builder.AddLearnedPositions(config.Size(1, int.MaxValue, "n_positions", "max_position_embeddings", "max_seq_len"))
            .AddLayerNorm(norm => norm.Epsilon = config.TryNumber(0, 1, "layer_norm_epsilon") ?? 1e-5)
            .AddAttention(attention =>
            {
                attention.HeadCount = heads.Queries;
                attention.Scale = config.Flag(true, "scale_attn_weights") ? null : 1;
                attention.DividesScaleByLayer = config.Flag(false, "scale_attn_by_inverse_layer_idx");
            })
            .AddMlp(mlp =>
            {
                mlp.MlpDim = config.TrySize(1, int.MaxValue, "n_inner") ?? 4 * builder.ModelDim;
                mlp.Activation = plan.Activation("gelu_new", "activation_function");
            });
        TwoNorms(plan, "ln_1", "ln_2");
        plan.Fused("attn.c_attn", PublishedPlan.QueryKeyValue, true, LayoutStep.SplitColumns(), LayoutStep.SplitRows());
        plan.InLayer("attn.c_proj", "mixer.out_proj", true, LayoutStep.Transpose);
        plan.InLayer("mlp.c_fc", "mlp.fc1", true, LayoutStep.Transpose);
        plan.InLayer("mlp.c_proj", "mlp.fc2", true, LayoutStep.Transpose);
        return plan;
    }

    private static PublishedPlan GptNeoX(PublishedConfig config)
    {
        var plan = new PublishedPlan(config) { Prefix = "gpt_neox.", Layer = "layers", Embedding = "embed_in.weight", Head = "embed_out", Attention = "attention" };
        plan.Frame(isTied: false, "final_layer_norm", hasNormBias: true);
        var heads = plan.Heads(hasFewKeys: false);
        var hasBias = config.Flag(true, "attention_bias");
        var builder = plan.Builder;
        _ = builder.AddLayerNorm(norm => norm.Epsilon = config.TryNumber(0, 1, "layer_norm_eps") ?? 1e-5)
            .AddAttention(attention => (attention.HeadCount, attention.HasBias) = (heads.Queries, hasBias))
            .AddMlp(mlp => (mlp.MlpDim, mlp.Activation) = (config.Size(1, int.MaxValue, "intermediate_size"), plan.Activation("gelu", "hidden_act")));
        if (config.Flag(true, "use_parallel_residual"))
            _ = builder.AddParallelBlock();
        plan.AddRotary(PublishedRotary.Read(config, heads.Width, new RotarySite { BaseNames = ["rotary_emb_base", "rope_theta"], ShareNames = ["rotary_pct", "partial_rotary_factor"], Share = 0.25, DimName = "rotary_pct" }));
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm");
        plan.Fused("attention.query_key_value", PublishedPlan.QueryKeyValue, hasBias, LayoutStep.SplitHeads(heads.Queries));
        plan.InLayer("attention.dense", "mixer.out_proj", hasBias);
        plan.InLayer("mlp.dense_h_to_4h", "mlp.fc1", true);
        plan.InLayer("mlp.dense_4h_to_h", "mlp.fc2", true);
        return plan;
    }

    private static PublishedPlan GptJ(PublishedConfig config)
    {
        var plan = new PublishedPlan(config) { Prefix = "transformer.", Layer = "h", Embedding = "wte.weight", Head = "lm_head", Attention = "attn" };
        plan.Frame(isTied: false, "ln_f", hasNormBias: true, hasHeadBias: true, "n_embd", "n_layer");
        var heads = plan.Heads("n_head", hasFewKeys: false);
        var turned = config.TrySize(2, 65536, "rotary_dim") ?? (config.Has("rotary_dim") ? throw config.Wrong("rotary_dim", null, "is not a number; it says how many features of a head turn") : 64);
        var builder = plan.Builder;
        _ = builder.AddParallelBlock(block => block.HasOneNorm = true)
            .AddLayerNorm(norm => norm.Epsilon = config.TryNumber(0, 1, "layer_norm_epsilon") ?? 1e-5)
            .AddAttention(attention => (attention.HeadCount, attention.HasBias) = (heads.Queries, false))
            .AddMlp(mlp => (mlp.MlpDim, mlp.Activation) = (config.TrySize(1, int.MaxValue, "n_inner") ?? 4 * builder.ModelDim, plan.Activation("gelu_new", "activation_function")))
            .AddLinearHead(head => head.HasBias = true);
        plan.AddRotary(new RotaryOptions { Dim = PublishedRotary.Turned(turned, heads.Width, config.Place("rotary_dim")), IsInterleaved = true });
        plan.InLayer("ln_1", "norm1", true);
        foreach (var name in (string[])["q_proj", "k_proj", "v_proj", "out_proj"])
            plan.InLayer("attn." + name, "mixer." + name, false);
        plan.InLayer("mlp.fc_in", "mlp.fc1", true);
        plan.InLayer("mlp.fc_out", "mlp.fc2", true);
        return plan;
    }

    private static PublishedPlan Mpt(PublishedConfig config)
    {
        var plan = new PublishedPlan(config) { Prefix = "transformer.", Layer = "blocks", Embedding = "wte.weight", Head = "lm_head", Attention = "attn" };
        plan.Frame(isTied: true, "norm_f", hasNormBias: false, width: "d_model", layers: "n_layers");
        var heads = plan.Heads("n_heads", hasFewKeys: false);
        var details = config.TryObject("attn_config");
        details?.Refuse("attn_type", "is not multihead_attention, the one that is loaded", node => node is JsonValue value && value.TryGetValue(out string? type) && type == "multihead_attention");
        details?.Refuse("qk_ln", "asks for norms of queries and keys, which this family's loader does not have");
        details?.Refuse("prefix_lm", "lets a prefix see all of itself, which is not loaded");
        details?.Refuse("attn_uses_sequence_id", "makes attention read ids of sequences, which is not loaded");
        details?.Refuse("rope", "asks for rotary positions, which are not loaded; models with linear biases are");
        details?.Refuse("multiquery_attention", "asks for one head of keys and values, which is not loaded");
        config.Refuse("multiquery_attention", "asks for one head of keys and values, which is not loaded");
        config.Refuse("prefix_lm", "lets a prefix see all of itself, which is not loaded");
        if (details?.TryFlag("alibi") == false)
            throw details.Wrong("alibi", details.Raw("alibi"), "asks for learned positions, which are not loaded; models with linear biases are");
        config.Refuse("logit_scale", "scales the logits, which this family's loader does not do");
        config.Refuse("norm_type", "is not a layer norm", node => node is JsonValue value && value.TryGetValue(out string? type) && type is "low_precision_layernorm" or "layernorm");
        var builder = plan.Builder;
        _ = builder.AddLayerNorm(norm => (norm.HasBias, norm.Epsilon) = (false, config.TryNumber(0, 1, "layer_norm_epsilon") ?? 1e-5))
            .AddAlibi(alibi => alibi.MaxBias = details?.TryNumber(1e-3, 1e3, "alibi_bias_max") ?? 8)
            .AddAttention(attention =>
            {
                (attention.HeadCount, attention.HasBias) = (heads.Queries, false);
                attention.Clip = details?.TryNumber(1e-9, 1e9, "clip_qkv");
                attention.Scale = details?.TryNumber(1e-9, 1e9, "softmax_scale");
            })
            .AddMlp(mlp => (mlp.MlpDim, mlp.HasBias, mlp.Activation) = (4 * builder.ModelDim, false, Activation.Gelu));
        plan.InLayer("norm_1", "norm1", false);
        plan.InLayer("norm_2", "norm2", false);
        plan.Fused("attn.Wqkv", PublishedPlan.QueryKeyValue, false, LayoutStep.SplitRows());
        plan.InLayer("attn.out_proj", "mixer.out_proj", false);
        plan.InLayer("ffn.up_proj", "mlp.fc1", false);
        plan.InLayer("ffn.down_proj", "mlp.fc2", false);
        return plan;
    }

    private static PublishedPlan Bloom(PublishedConfig config)
    {
        var plan = new PublishedPlan(config) { Prefix = "transformer.", Layer = "h", Embedding = "word_embeddings.weight", Head = "lm_head", Attention = "self_attention" };
        plan.Frame(isTied: true, "ln_f", hasNormBias: true, layers: "n_layer");
        var heads = plan.Heads("n_head", hasFewKeys: false);
        var builder = plan.Builder;
        _ = builder.AddTokenEmbedding(embedding => embedding.HasNorm = true)
            .AddSequentialBlock(block => block.IsResidualAfterNorm = config.Flag(false, "apply_residual_connection_post_layernorm"))
            .AddLayerNorm(norm => norm.Epsilon = config.TryNumber(0, 1, "layer_norm_epsilon") ?? 1e-5)
            .AddAlibi()
            .AddAttention(attention => attention.HeadCount = heads.Queries)
            .AddMlp(mlp => (mlp.MlpDim, mlp.Activation) = (4 * builder.ModelDim, Activation.GeluBloom));
        plan.Affine("transformer.word_embeddings_layernorm", "embeddings.norm", true);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm");
        plan.Fused("self_attention.query_key_value", PublishedPlan.QueryKeyValue, true, LayoutStep.SplitHeads(heads.Queries));
        plan.InLayer("self_attention.dense", "mixer.out_proj", true);
        plan.InLayer("mlp.dense_h_to_4h", "mlp.fc1", true);
        plan.InLayer("mlp.dense_4h_to_h", "mlp.fc2", true);
        return plan;
    }

    private static void TwoNorms(PublishedPlan plan, string first, string second, bool hasBias = true)
    {
        plan.InLayer(first, "norm1", hasBias);
        plan.InLayer(second, "norm2", hasBias);
    }
}
