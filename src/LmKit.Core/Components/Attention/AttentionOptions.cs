using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of multi-head attention.</summary>
public sealed class AttentionOptions
{
    /// <summary>Query heads H (num_attention_heads); must divide d_model unless the head width is given. Default 1.</summary>
    [Range(1, 1024)]
    [JsonPropertyName("num_attention_heads")]
    public int HeadCount { get; set; } = 1;

    /// <summary>Key and value heads (num_key_value_heads); must divide the query heads. 0 stands for as many, the default.</summary>
    [Range(0, 1024)]
    [JsonPropertyName("num_key_value_heads")]
    public int KeyValueHeadCount { get; set; }

    /// <summary>Width of a head (head_dim); 0 stands for d_model / heads, the default.</summary>
    [Range(0, 65536)]
    public long HeadDim { get; set; }

    /// <summary>Whether the linears of queries, keys and values have biases. Default true (GPT-2, H3).</summary>
    public bool HasBias { get; set; } = true;

    /// <summary>Whether the output's linear has a bias; null, the default, stands for the same as <see cref="HasBias"/>. Qwen2 has biases on
    /// queries, keys and values only.</summary>
    public bool? HasOutputBias { get; set; }

    /// <summary>Whether queries and keys pass a norm, of the layer's norm component, before positions. Default none.</summary>
    public QueryKeyNorm QueryKeyNorm { get; set; }

    /// <summary>What the product of query and key is multiplied by (Gemma's query_pre_attn_scalar to the power -1/2, MPT's softmax_scale);
    /// null, the default, stands for 1/sqrt(P), P the head width.</summary>
    [Range(1e-9, 1e9)]
    public double? Scale { get; set; }

    /// <summary>Whether the scale is divided by the layer's index counted from 1 (scale_attn_by_inverse_layer_idx, GPT-2). Default false.</summary>
    [JsonPropertyName("scale_attn_by_inverse_layer_idx")]
    public bool DividesScaleByLayer { get; set; }

    /// <summary>The bound c of the scores, which become c tanh(score / c) before bias and mask (attn_logit_softcapping, Gemma 2: 50); null,
    /// the default, for none.</summary>
    [Range(1e-9, 1e9)]
    [JsonPropertyName("attn_logit_softcapping")]
    public double? SoftCap { get; set; }

    /// <summary>Whether each query head has a learned score that joins its softmax and brings no value, so that a query may attend to nothing
    /// (sinks, gpt-oss). The scores start at 0, as if there were one more key that no query knows. Default false.</summary>
    public bool HasSinks { get; set; }

    /// <summary>Clamps every number of queries, keys and values to [-c, c] right after their linears (clip_qkv, MPT); null, the default, for
    /// no clip.</summary>
    [Range(1e-9, 1e9)]
    [JsonPropertyName("clip_qkv")]
    public double? Clip { get; set; }

    /// <summary>Dropout on the attention weights in training. Default 0.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("attention_dropout")]
    public double DropoutRate { get; set; }

    /// <summary>In which numbers a carried state holds keys and values. Default as computed; weights do not depend on it.</summary>
    public CacheFormat CacheFormat { get; set; }
}

/// <summary>Over what queries and keys are normed before attention.</summary>
public enum QueryKeyNorm
{
    /// <summary>They are not.</summary>
    None,

    /// <summary>Each head by itself, with one weight (P) for all heads (Qwen3, Gemma 3).</summary>
    PerHead,

    /// <summary>All heads together, with a weight (H P) for queries and (Hkv P) for keys (OLMo 2).</summary>
    Whole,
}

/// <summary>Attention as a component.</summary>
public static class AttentionComponent
{
    /// <summary>Multi-head attention.</summary>
    public static readonly Kind<AttentionOptions, IMixer> Kind = Slots.Mixer.Define<AttentionOptions>("attention", (options, layer) => new Attention(options, layer));

    /// <summary>Puts multi-head attention into layers.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddAttention(this LanguageModelBuilder builder, Action<AttentionOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
