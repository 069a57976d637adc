using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of low-rank adapters (Hu et al. 2021; DoRA: Liu et al. 2024; rank-stabilized: Kalajdzievski 2023).</summary>
public sealed class LoraOptions
{
    /// <summary>Rank r of the update. Default 16.</summary>
    [Range(1, 65536)]
    [JsonPropertyName("r")]
    public int Rank { get; set; } = 16;

    /// <summary>alpha; the update is scaled by alpha / r. Default 32.</summary>
    [Range(0.0, 1e9)]
    [JsonPropertyName("lora_alpha")]
    public double Alpha { get; set; } = 32;

    /// <summary>Dropout on the adapter's input while training. Default 0.05.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("lora_dropout")]
    public double DropoutRate { get; set; } = 0.05;

    /// <summary>Scales by alpha / sqrt(r) instead. Default false.</summary>
    [JsonPropertyName("use_rslora")]
    public bool IsRankStabilized { get; set; }

    /// <summary>Trains each row's length apart from its direction (dense layers only). Default false.</summary>
    [JsonPropertyName("use_dora")]
    public bool IsWeightDecomposed { get; set; }

    /// <summary>Adds a trained bias to the update. Default false.</summary>
    [JsonPropertyName("lora_bias")]
    public bool HasBias { get; set; }

    /// <summary>How A starts. Default PEFT's.</summary>
    public LoraInitialization Initialization { get; set; }

    /// <summary>Other ranks for some modules: a regular expression for the end of the name, and the rank; the first that fits wins.</summary>
    public Dictionary<string, int> RankPattern { get; set; } = [];

    /// <summary>Other alphas for some modules, in the same way.</summary>
    public Dictionary<string, double> AlphaPattern { get; set; } = [];
}
