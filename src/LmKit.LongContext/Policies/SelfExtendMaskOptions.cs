using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of Self-Extend.</summary>
public sealed class SelfExtendMaskOptions
{
    /// <summary>Tokens nearer than this are shown at their true distance (w, window_size); at most the length that the model was trained on.
    /// Default 1024.</summary>
    [Range(1L, 1L << 40)]
    [JsonPropertyName("window_size")]
    public long NeighborLength { get; set; } = 1024;

    /// <summary>How many neighbouring positions of farther tokens become one (g, group_size). A model trained on T tokens then reads about
    /// (T - w) g + w. Default 8.</summary>
    [Range(1L, 1L << 40)]
    [JsonPropertyName("group_size")]
    public long GroupSize { get; set; } = 8;
}

/// <summary>Self-Extend as a component.</summary>
public static class SelfExtendMaskComponent
{
    /// <summary>Self-Extend.</summary>
    public static readonly Kind<SelfExtendMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<SelfExtendMaskOptions>("self_extend", (options, layer) => new SelfExtendMask(options, layer));

    /// <summary>Lets the attention of layers see all earlier tokens, far ones at positions shared by groups.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSelfExtendMask(this LanguageModelBuilder builder, Action<SelfExtendMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
