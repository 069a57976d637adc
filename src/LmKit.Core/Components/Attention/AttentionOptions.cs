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

    /// <summary>Whether the four linears have biases. Default true (GPT-2, H3).</summary>
    public bool HasBias { get; set; } = true;

    /// <summary>Dropout on the attention weights in training. Default 0.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("attention_dropout")]
    public double DropoutRate { get; set; }
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
