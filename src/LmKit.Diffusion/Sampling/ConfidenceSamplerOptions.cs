using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of confidence-threshold decoding; defaults are Fast-dLLM's.</summary>
public sealed class ConfidenceSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Tokens with more than this probability are revealed at once; 1 reveals evenly over the steps. Default 0.9.</summary>
    [Range(0.0, 1.0)]
    public double Threshold { get; set; } = 0.9;

    /// <summary>Draws each candidate instead of taking the most likely token. Default false.</summary>
    public bool IsDrawn { get; set; }
}
