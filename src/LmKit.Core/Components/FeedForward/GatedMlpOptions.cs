using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the gated feed-forward part.</summary>
public sealed class GatedMlpOptions
{
    /// <summary>Inner width (intermediate_size); 0 stands for 8/3 d_model rounded up to a multiple of 8 (Llama's rule), the default.</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("intermediate_size")]
    public long MlpDim { get; set; }

    /// <summary>The gate's function. Default SiLU (Llama).</summary>
    public Activation Activation { get; set; } = Activation.Silu;

    /// <summary>Whether the linears have biases. Default false (Llama).</summary>
    public bool HasBias { get; set; }
}
