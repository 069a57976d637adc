using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the two-layer feed-forward part.</summary>
public sealed class MlpOptions
{
    /// <summary>Inner width (d_inner); 0 stands for 4 d_model (GPT-2, H3), the default.</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("d_inner")]
    public long MlpDim { get; set; }

    /// <summary>The function between the two linears. Default GELU in its tanh form (GPT-2, H3).</summary>
    public Activation Activation { get; set; } = Activation.GeluTanh;

    /// <summary>Whether the linears have biases. Default true.</summary>
    public bool HasBias { get; set; } = true;
}
