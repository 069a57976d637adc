using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of layer normalisation.</summary>
public sealed class LayerNormOptions
{
    /// <summary>Added to the variance. Default 1e-5 (GPT-2, H3).</summary>
    [Range(0.0, 1.0)]
    [JsonPropertyName("layer_norm_epsilon")]
    public double Epsilon { get; set; } = 1e-5;

    /// <summary>Whether it has a bias. Default true.</summary>
    public bool HasBias { get; set; } = true;
}
