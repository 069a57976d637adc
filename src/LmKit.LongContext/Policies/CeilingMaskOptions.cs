using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the distance ceiling alone.</summary>
public sealed class CeilingMaskOptions
{
    /// <summary>The largest distance shown, D; at most the length the model was trained on. Default 2048 (the authors' code).</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("limit_distance")]
    public long DistanceCeiling { get; set; } = 2048;

    /// <summary>How much middle tokens are lowered, t (triangle_offset). Default 0, not at all.</summary>
    [Range(0.0, double.MaxValue)]
    [JsonPropertyName("triangle_offset")]
    public double TriangleOffset { get; set; }

    /// <summary>Where the middle of the triangle offset ends: tokens nearer than this are not lowered (L). Null, the default, stands for
    /// <see cref="DistanceCeiling"/>.</summary>
    [Range(1L, long.MaxValue)]
    [JsonPropertyName("local_branch")]
    public long? LocalLength { get; set; }

    /// <summary>Where the middle of the triangle offset begins: so many starting tokens are not lowered (G). Default 10.</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("global_branch")]
    public long GlobalLength { get; set; } = 10;
}

/// <summary>The distance ceiling alone, as a component.</summary>
public static class CeilingMaskComponent
{
    /// <summary>The distance ceiling.</summary>
    public static readonly Kind<CeilingMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<CeilingMaskOptions>("ceiling", (options, layer) => new CeilingMask(options, layer));

    /// <summary>Shows the attention of layers no distance above a ceiling.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddCeilingMask(this LanguageModelBuilder builder, Action<CeilingMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
