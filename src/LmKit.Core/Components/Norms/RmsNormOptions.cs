using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of root-mean-square normalisation.</summary>
public sealed class RmsNormOptions
{
    /// <summary>Added to the mean square. Default 1e-5 (Llama-2; Llama-1 used 1e-6).</summary>
    [Range(0.0, 1.0)]
    [JsonPropertyName("rms_norm_eps")]
    public double Epsilon { get; set; } = 1e-5;
}
