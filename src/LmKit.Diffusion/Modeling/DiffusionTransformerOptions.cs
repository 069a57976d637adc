using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the diffusion transformer; defaults are the official "small" model.</summary>
public sealed class DiffusionTransformerOptions
{
    /// <summary>Vocabulary size V, the mask included.</summary>
    [Range(2L, int.MaxValue)]
    public long VocabSize { get; set; } = 50_258;

    /// <summary>Width d (hidden_dim). Default 768.</summary>
    [Range(1L, int.MaxValue)]
    [JsonPropertyName("hidden_dim")]
    public long ModelDim { get; set; } = 768;

    /// <summary>Blocks (n_blocks). Default 12.</summary>
    [Range(1, 10_000)]
    [JsonPropertyName("n_blocks")]
    public int LayerCount { get; set; } = 12;

    /// <summary>Attention heads (n_heads); divides the width into even parts. Default 12.</summary>
    [Range(1, 10_000)]
    [JsonPropertyName("n_heads")]
    public int HeadCount { get; set; } = 12;

    /// <summary>Width of the time conditioning (cond_dim). Default 128.</summary>
    [Range(1L, int.MaxValue)]
    [JsonPropertyName("cond_dim")]
    public long ConditionDim { get; set; } = 128;

    /// <summary>Dropout of both residual branches. Default 0.1.</summary>
    [Range(0.0, 0.999)]
    [JsonPropertyName("dropout")]
    public double DropoutRate { get; set; } = 0.1;

    /// <summary>On which scale the network is told the noise, where it is time-conditioned: <see cref="LevelScale.Time"/> for training under
    /// <see cref="LossWeighting.ChangeOfVariables"/>. Default the total noise.</summary>
    [JsonPropertyName("level_scale")]
    public LevelScale Scale { get; set; }

    /// <summary>Whether the network is trained on true noise levels (time_conditioning), instead of level 0 at every step as published text models
    /// are. Default false.</summary>
    [JsonPropertyName("time_conditioning")]
    public bool IsTimeConditioned { get; set; }

    /// <summary>Seed of the initial values and of dropout.</summary>
    public ulong Seed { get; set; }

    internal void Check()
    {
        if (ModelDim % HeadCount != 0 || ModelDim / HeadCount % 2 != 0)
            throw new ArgumentException($"{nameof(DiffusionTransformerOptions)}.{nameof(HeadCount)} = {HeadCount} must divide {nameof(ModelDim)} = {ModelDim} into parts of even width, which rotary positions turn in pairs.");
    }
}
