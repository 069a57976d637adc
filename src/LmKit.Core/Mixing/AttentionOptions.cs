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

    /// <summary>How positions reach the scores. Default none, as in H3 hybrids.</summary>
    [JsonPropertyName("position_encoding")]
    public PositionKind Positions { get; set; }

    /// <summary>Features of each head that rotary turns (rotary_dim); even. 0 stands for all, the default.</summary>
    [Range(0, 65536)]
    public long RotaryDim { get; set; }

    /// <summary>The base of rotary's frequencies (rope_theta). Default 10000.</summary>
    [Range(1.0, 1e12)]
    [JsonPropertyName("rope_theta")]
    public double RotaryBase { get; set; } = 10_000;

    /// <summary>Whether rotary pairs are neighbouring features (GPT-J) instead of halves (Llama). Default false.</summary>
    [JsonPropertyName("rotary_interleaved")]
    public bool IsRotaryInterleaved { get; set; }

    /// <summary>Whether the four linears have biases. Default true (GPT-2, H3).</summary>
    public bool HasBias { get; set; } = true;

    /// <summary>Dropout on the attention weights in training. Default 0.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("attention_dropout")]
    public double DropoutRate { get; set; }
}
