namespace LmKit;

/// <summary>The families that are LLaMA with changes.</summary>
internal static partial class PublishedFamilies
{
    private static PublishedPlan Llama(PublishedConfig config)
    {
        var plan = Frame(config);
        var hasBias = config.Flag(false, "attention_bias");
        _ = AddLayers(plan, hasBias, hasBias, mlpBias: config.Flag(false, "mlp_bias"));
        NoWindow(plan);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm", false);
        return plan;
    }

    private static PublishedPlan Mistral(PublishedConfig config)
    {
        var plan = Frame(config);
        _ = AddLayers(plan, keyDefault: 8);
        plan.AddOneWindow(4096);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm", false);
        return plan;
    }

    private static PublishedPlan Qwen2(PublishedConfig config)
    {
        var plan = Frame(config);
        _ = AddLayers(plan, hasBias: true, keyDefault: 32);
        AddLateWindow(plan);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm", false);
        return plan;
    }

    private static PublishedPlan Qwen3(PublishedConfig config)
    {
        var plan = Frame(config);
        var hasBias = config.Flag(false, "attention_bias");
        _ = AddLayers(plan, hasBias, hasBias, keyDefault: 32, widthDefault: 128, queryKeyNorm: QueryKeyNorm.PerHead);
        AddLateWindow(plan);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm", false);
        return plan;
    }

    private static PublishedPlan Phi3(PublishedConfig config)
    {
        var plan = Frame(config, epsilon: 1e-5);
        var rotary = new RotarySite { ShareNames = ["partial_rotary_factor"], Share = 1, IsPhi = true };
        var heads = AddLayers(plan, rotary: rotary, isFused: true);
        plan.Fused("self_attn.qkv_proj", PublishedPlan.QueryKeyValue, false, LayoutStep.SplitRows(heads.Queries * heads.Width, heads.Keys * heads.Width, heads.Keys * heads.Width));
        plan.Fused("mlp.gate_up_proj", ["mlp.gate_proj", "mlp.up_proj"], false, LayoutStep.SplitRows());
        plan.AddOneWindow(null);
        TwoNorms(plan, "input_layernorm", "post_attention_layernorm", false);
        return plan;
    }

    private static PublishedPlan Olmo2(PublishedConfig config)
    {
        var plan = Frame(config, epsilon: 1e-5, roundsBeforeWeight: false);
        var hasBias = config.Flag(false, "attention_bias");
        _ = AddLayers(plan, hasBias, hasBias, queryKeyNorm: QueryKeyNorm.Whole);
        _ = plan.Builder.AddPostNormBlock();
        NoWindow(plan);
        plan.InLayer("post_attention_layernorm", "post_norm1", false);
        plan.InLayer("post_feedforward_layernorm", "post_norm2", false);
        return plan;
    }

    private static PublishedPlan Gemma2(PublishedConfig config)
    {
        var plan = Gemma(config);
        var builder = plan.Builder;
        var width = AddGemmaLayers(plan, QueryKeyNorm.None, attention => attention.SoftCap = config.Has("attn_logit_softcapping") ? config.TryNumber(1e-9, 1e9, "attn_logit_softcapping") : 50);
        var cap = config.Has("final_logit_softcapping") ? config.TryNumber(1e-9, 1e6, "final_logit_softcapping") ?? 0 : 30;
        _ = builder.AddLinearHead(head => head.SoftCap = cap);
        AddGemmaWindow(plan, layer => layer % 2 == 0);
        plan.AddRotary(PublishedRotary.Read(config, width, new RotarySite()));
        return plan;
    }

    private static PublishedPlan Gemma3(PublishedConfig config)
    {
        var plan = Gemma(config);
        var width = AddGemmaLayers(plan, QueryKeyNorm.PerHead, _ => { });
        if (config.TryNumber(1e-9, 1e6, "final_logit_softcapping") is { } cap)
            _ = plan.Builder.AddLinearHead(head => head.SoftCap = cap);
        var pattern = config.TrySize(1, 10_000, "sliding_window_pattern", "_sliding_window_pattern") ?? 6;
        var local = AddGemmaWindow(plan, layer => (layer + 1) % pattern != 0);
        int[] global = [.. Enumerable.Range(0, plan.LayerCount).Except(local)];
        var whole = PublishedRotary.Read(config, width, new RotarySite { Base = 1e6, LayerType = "full_attention" });
        var near = PublishedRotary.Read(config, width, new RotarySite { Base = 1e4, BaseNames = ["rope_local_base_freq"], LayerType = "sliding_attention", HasScaling = false });
        if (global.Length > 0)
            plan.AddRotary(whole, local.Length == 0 ? null : global);
        if (local.Length > 0)
            plan.AddRotary(near, global.Length == 0 ? null : local);
        return plan;
    }

    private static PublishedPlan Frame(PublishedConfig config, double epsilon = 1e-6, bool isTied = false, bool roundsBeforeWeight = true, bool hasUnitOffset = false)
    {
        var plan = new PublishedPlan(config) { Prefix = "model.", Layer = "layers", Embedding = "embed_tokens.weight", Head = "lm_head" };
        plan.Frame(isTied, "norm", hasNormBias: false);
        _ = plan.Builder.AddRmsNorm(norm => (norm.Epsilon, norm.HasUnitOffset, norm.RoundsBeforeWeight) =
            (config.TryNumber(0, 1, "rms_norm_eps") ?? epsilon, hasUnitOffset, roundsBeforeWeight));
        return plan;
    }

    // Attention, the gated part and rotary positions, and the names of their weights.
    private static (int Queries, int Keys, long Width) AddLayers(
        PublishedPlan plan,
        bool hasBias = false,
        bool outputBias = false,
        bool mlpBias = false,
        int? keyDefault = null,
        long? widthDefault = null,
        QueryKeyNorm queryKeyNorm = QueryKeyNorm.None,
        RotarySite? rotary = null,
        bool isFused = false)
    {
        var heads = plan.Heads(keyDefault: keyDefault, widthDefault: widthDefault);
        plan.AddRotary(PublishedRotary.Read(plan.Config, heads.Width, rotary ?? new RotarySite()));
        AddParts(plan, heads, plan.Activation("silu", "hidden_act"), hasBias, outputBias, mlpBias, queryKeyNorm, null, isFused);
        return heads;
    }

    private static void AddParts(
        PublishedPlan plan,
        (int Queries, int Keys, long Width) heads,
        Activation activation,
        bool hasBias,
        bool outputBias,
        bool mlpBias,
        QueryKeyNorm queryKeyNorm,
        Action<AttentionOptions>? more,
        bool isFused)
    {
        _ = plan.Builder
            .AddAttention(attention =>
            {
                (attention.HeadCount, attention.KeyValueHeadCount, attention.HeadDim) = (heads.Queries, heads.Keys, heads.Width);
                (attention.HasBias, attention.HasOutputBias, attention.QueryKeyNorm) = (hasBias, outputBias, queryKeyNorm);
                more?.Invoke(attention);
            })
            .AddGatedMlp(gated => (gated.MlpDim, gated.Activation, gated.HasBias) = (plan.Config.Size(1, int.MaxValue, "intermediate_size"), activation, mlpBias));
        if (queryKeyNorm != QueryKeyNorm.None)
        {
            plan.InLayer("self_attn.q_norm", "mixer.q_norm", false);
            plan.InLayer("self_attn.k_norm", "mixer.k_norm", false);
        }
        if (!isFused)
        {
            foreach (var name in (string[])["q_proj", "k_proj", "v_proj"])
                plan.InLayer("self_attn." + name, "mixer." + name, hasBias);
            plan.InLayer("mlp.gate_proj", "mlp.gate_proj", mlpBias);
            plan.InLayer("mlp.up_proj", "mlp.up_proj", mlpBias);
        }
        plan.InLayer("self_attn.o_proj", "mixer.out_proj", outputBias);
        plan.InLayer("mlp.down_proj", "mlp.down_proj", mlpBias);
    }

    // Qwen: a window only where it is switched on, and only in later layers.
    private static void AddLateWindow(PublishedPlan plan)
    {
        var config = plan.Config;
        var isOn = config.Flag(false, "use_sliding_window");
        var window = config.TrySize(1, int.MaxValue, "sliding_window") ?? (config.Has("sliding_window") ? null : 4096);
        var from = config.TrySize(0, 10_000, "max_window_layers") ?? 28;
        var layers = plan.WindowLayers(layer => isOn && window is not null && layer >= from);
        if (layers.Length > 0)
            plan.AddWindow(window ?? throw NoWidth(config), layers);
    }

    private static void NoWindow(PublishedPlan plan)
    {
        if (plan.WindowLayers(_ => false) is { Length: > 0 } layers)
            throw new ConfigurationException(plan.Config.Place("layer_types"), $"gives layer {layers[0]} a sliding window, which this family does not have");
    }

    private static PublishedPlan Gemma(PublishedConfig config)
    {
        var plan = Frame(config, isTied: true, roundsBeforeWeight: false, hasUnitOffset: true);
        _ = plan.Builder.AddTokenEmbedding(embedding => embedding.Scale = Math.Sqrt(plan.Builder.ModelDim)).AddSandwichBlock();
        TwoNorms(plan, "input_layernorm", "pre_feedforward_layernorm", false);
        plan.InLayer("post_attention_layernorm", "post_norm1", false);
        plan.InLayer("post_feedforward_layernorm", "post_norm2", false);
        return plan;
    }

    // Gives the width of a head.
    private static long AddGemmaLayers(PublishedPlan plan, QueryKeyNorm queryKeyNorm, Action<AttentionOptions> more)
    {
        var config = plan.Config;
        var heads = plan.Heads(keyDefault: 4, widthDefault: 256);
        var hasBias = config.Flag(false, "attention_bias");
        var scalar = config.TryNumber(1e-9, 1e9, "query_pre_attn_scalar") ?? 256;
        AddParts(plan, heads, plan.Activation("gelu_pytorch_tanh", "hidden_activation"), hasBias, hasBias, mlpBias: false, queryKeyNorm, Scaled, isFused: false);
        return heads.Width;

        void Scaled(AttentionOptions attention)
        {
            attention.Scale = 1 / Math.Sqrt(scalar);
            more(attention);
        }
    }

    private static int[] AddGemmaWindow(PublishedPlan plan, Func<int, bool> isWindowed)
    {
        var config = plan.Config;
        var layers = plan.WindowLayers(isWindowed);
        var window = config.TrySize(1, int.MaxValue, "sliding_window") ?? (config.Has("sliding_window") && layers.Length > 0 ? throw NoWidth(config) : 4096);
        plan.AddWindow(window, layers);
        return layers;
    }

    private static ConfigurationException NoWidth(PublishedConfig config) => new(config.Place("sliding_window"), "is null, but layers with a window need its width");
}
