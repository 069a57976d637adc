using System.Text.Json.Nodes;

namespace LmKit.Core.Tests;

/// <summary>Attention and positions.</summary>
internal sealed partial class PlainModel
{
    private double[][] Attention(int layer, Func<string, string> at, double[][] x)
    {
        var (q, k, v) = QueriesKeysValues(at, x);
        if (family is "qwen3" or "gemma3_text")
            (q, k) = (PerHead(at("self_attn.q_norm"), q), PerHead(at("self_attn.k_norm"), k));
        if (family == "olmo2")
            (q, k) = (Norm(at("self_attn.q_norm"), q), Norm(at("self_attn.k_norm"), k));
        if (family is not ("gpt2" or "mpt" or "bloom"))
            (q, k) = (Turned(layer, q), Turned(layer, k));
        var details = config["attn_config"] as JsonObject;
        var scale = 1 / Math.Sqrt(head);
        if (family == "gpt2")
            scale = (Flag("scale_attn_weights", true) ? scale : 1) / (Flag("scale_attn_by_inverse_layer_idx", false) ? layer + 1 : 1);
        if (family == "mpt")
            scale = details?["softmax_scale"]?.GetValue<double>() ?? scale;
        if (IsGemma)
            scale = 1 / Math.Sqrt(Number("query_pre_attn_scalar", 256));
        var cap = family == "gemma2" ? Number("attn_logit_softcapping", config.ContainsKey("attn_logit_softcapping") ? 0 : 50) : 0;
        var slopes = family is "mpt" or "bloom" ? Slopes(details?["alibi_bias_max"]?.GetValue<double>() ?? 8) : null;
        var window = Window(layer);
        var output = family switch { "gpt2" => "attn.c_proj", "gptj" or "mpt" => "attn.out_proj", "gpt_neox" => "attention.dense", "bloom" => "self_attention.dense", _ => "self_attn.o_proj" };
        return [.. x.Select((_, i) => Linear(at(output), [.. Enumerable.Range(0, queries).SelectMany(h => Head(i, h))]))];

        double[] Head(int i, int h)
        {
            var group = h * keys / queries;
            var seen = Enumerable.Range(0, i + 1).Where(j => i - j < window).ToArray();
            var scores = seen.Select(j =>
            {
                var score = scale * Enumerable.Range(0, head).Sum(e => q[i][(h * head) + e] * k[j][(group * head) + e]);
                score = cap > 0 ? cap * Math.Tanh(score / cap) : score;
                return score + ((slopes?[h] ?? 0) * j);
            }).ToArray();
            var highest = scores.Max();
            var shares = scores.Select(score => Math.Exp(score - highest)).ToArray();
            var total = shares.Sum();
            return [.. Enumerable.Range(0, head).Select(e => seen.Select((j, index) => shares[index] / total * v[j][(group * head) + e]).Sum())];
        }
    }

    private (double[][] Q, double[][] K, double[][] V) QueriesKeysValues(Func<string, string> at, double[][] x)
    {
        var fused = family switch { "gpt2" => "attn.c_attn", "mpt" => "attn.Wqkv", "phi3" => "self_attn.qkv_proj", "gpt_neox" => "attention.query_key_value", "bloom" => "self_attention.query_key_value", _ => null };
        if (fused is null)
        {
            var part = family == "gptj" ? "attn." : "self_attn.";
            return (Part(part + "q_proj"), Part(part + "k_proj"), Part(part + "v_proj"));
        }
        var all = Part(fused);
        if (family is "gpt_neox" or "bloom")
            return (OfHeads(0), OfHeads(1), OfHeads(2));
        if (family == "mpt" && config["attn_config"]?["clip_qkv"]?.GetValue<double>() is { } clip)
            all = [.. all.Select(row => row.Select(value => Math.Min(clip, Math.Max(-clip, value))).ToArray())];
        var (first, second) = (queries * head, (queries + keys) * head);
        return ([.. all.Select(row => row[..first])], [.. all.Select(row => row[first..second])], [.. all.Select(row => row[second..])]);

        double[][] Part(string name) => [.. x.Select(row => Linear(at(name), row))];

        double[][] OfHeads(int part) => [.. all.Select(row => Enumerable.Range(0, queries).SelectMany(h => row[(((3 * h) + part) * head)..(((3 * h) + part + 1) * head)]).ToArray())];
    }

    private double[][] PerHead(string name, double[][] rows) => [.. rows.Select(row => row.Chunk(head).SelectMany(part => Norm(name, [part])[0]).ToArray())];

    private bool HasWindow(int layer)
    {
        if (config["layer_types"] is JsonArray types)
            return types[layer]!.GetValue<string>() == "sliding_attention";
        return family switch
        {
            "mistral" or "phi3" => true,
            "qwen2" or "qwen3" => Flag("use_sliding_window", false) && layer >= Whole("max_window_layers", 28),
            "gemma2" => layer % 2 == 0,
            "gemma3_text" => (layer + 1) % Whole("sliding_window_pattern", 6) != 0,
            _ => false,
        };
    }

    private int Window(int layer) => !HasWindow(layer) || (config.ContainsKey("sliding_window") && config["sliding_window"] is null)
        ? int.MaxValue
        : Whole("sliding_window", family == "phi3" ? int.MaxValue : 4096);

    // The first K slopes go down evenly, K the largest power of two; the rest are the odd ones of twice as many.
    private double[] Slopes(double highest)
    {
        var power = 1;
        while (power * 2 <= queries)
            power *= 2;
        return [.. Enumerable.Range(0, queries).Select(h => h < power ? Math.Pow(2, -highest * (h + 1) / power) : Math.Pow(2, -highest * ((2 * (h - power)) + 1) / (2 * power)))];
    }

    private double[][] Turned(int layer, double[][] rows)
    {
        var turned = family switch
        {
            "gptj" => Whole("rotary_dim", 64),
            "gpt_neox" => (int)(head * Number("rotary_pct", 0.25)),
            "phi3" => (int)(head * Number("partial_rotary_factor", 1)),
            _ => head,
        };
        var isLocal = family == "gemma3_text" && HasWindow(layer);
        var theta = family switch
        {
            "gptj" => 10000,
            "gpt_neox" => Number("rotary_emb_base", 10000),
            "gemma3_text" => isLocal ? Number("rope_local_base_freq", 1e4) : Number("rope_theta", 1e6),
            _ => Number("rope_theta", 10000),
        };
        var (frequencies, growth) = Frequencies(isLocal ? null : config["rope_scaling"] as JsonObject, turned, theta, rows.Length);
        return [.. rows.Select((row, position) => row.Chunk(head).SelectMany(part => Turn(part, position)).ToArray())];

        double[] Turn(double[] x, int position)
        {
            var y = x.ToArray();
            for (var pair = 0; pair < turned / 2; pair++)
            {
                var (a, b) = family == "gptj" ? (2 * pair, (2 * pair) + 1) : (pair, pair + (turned / 2));
                var (cosine, sine) = (growth * Math.Cos(position * frequencies[pair]), growth * Math.Sin(position * frequencies[pair]));
                (y[a], y[b]) = ((x[a] * cosine) - (x[b] * sine), (x[b] * cosine) + (x[a] * sine));
            }
            return y;
        }
    }

    private (double[] Frequencies, double Growth) Frequencies(JsonObject? scaling, int turned, double theta, int length)
    {
        double? Of(string name) => scaling?[name]?.GetValue<double>();
        var plain = Enumerable.Range(0, turned / 2).Select(pair => Math.Pow(theta, -2.0 * pair / turned)).ToArray();
        var type = (scaling?["rope_type"] ?? scaling?["type"])?.GetValue<string>();
        var trained = Number("max_position_embeddings", 0);
        var original = Of("original_max_position_embeddings") ?? config["original_max_position_embeddings"]?.GetValue<double>();
        var factor = Of("factor") ?? 1;
        switch (type)
        {
            case null or "default":
                return (plain, 1);
            case "linear":
                return ([.. plain.Select(f => f / factor)], 1);
            case "dynamic":
                var stretched = theta * Math.Pow((factor * Math.Max(length, trained) / trained) - (factor - 1), (double)turned / (turned - 2));
                return ([.. Enumerable.Range(0, turned / 2).Select(pair => Math.Pow(stretched, -2.0 * pair / turned))], 1);
            case "llama3":
                var (low, high) = (Of("low_freq_factor")!.Value, Of("high_freq_factor")!.Value);
                return ([.. plain.Select(f =>
                {
                    var wave = 2 * Math.PI / f;
                    if (wave < original!.Value / high)
                        return f;
                    if (wave > original.Value / low)
                        return f / factor;
                    var s = ((original.Value / wave) - low) / (high - low);
                    return ((1 - s) * f / factor) + (s * f);
                })], 1);
            case "yarn" when family != "phi3":
                double Pair(double turns) => turned * Math.Log((original ?? trained) / (2 * Math.PI * turns)) / (2 * Math.Log(theta));
                double Mu(double share) => factor <= 1 ? 1 : (0.1 * share * Math.Log(factor)) + 1;
                var (from, to) = (Pair(Of("beta_fast") ?? 32), Pair(Of("beta_slow") ?? 1));
                if (scaling!["truncate"]?.GetValue<bool>() != false)
                    (from, to) = (Math.Floor(from), Math.Ceiling(to));
                (from, to) = (Math.Max(from, 0), Math.Min(to, turned - 1));
                to += from == to ? 0.001 : 0;
                var growth = Of("attention_factor") ?? (Of("mscale") is { } m and not 0 && Of("mscale_all_dim") is { } all and not 0 ? Mu(m) / Mu(all) : Mu(1));
                return ([.. plain.Select((f, pair) =>
                {
                    var ramp = Math.Min(1, Math.Max(0, (pair - from) / (to - from)));
                    return (f * (1 - ramp)) + (f / factor * ramp);
                })], growth);
            default:
                var list = scaling![length > original ? "long_factor" : "short_factor"]!.AsArray().Select(e => e!.GetValue<double>()).ToArray();
                var ratio = trained / original!.Value;
                return ([.. plain.Select((f, pair) => f / list[pair])], Of("attention_factor") ?? (ratio <= 1 ? 1 : Math.Sqrt(1 + (Math.Log(ratio) / Math.Log(original.Value)))));
        }
    }
}
