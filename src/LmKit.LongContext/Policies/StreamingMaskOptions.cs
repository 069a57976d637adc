using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of StreamingLLM's mask.</summary>
public sealed class StreamingMaskOptions
{
    /// <summary>Starting tokens that stay visible, S (start_size). Default 4 (the authors' code).</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("start_size")]
    public long StartLength { get; set; } = 4;

    /// <summary>Recent tokens of the cache, R (recent_size); S + R is at most the length the model was trained on. Default 512 (the authors' code;
    /// their examples take 2044).</summary>
    [Range(1L, long.MaxValue)]
    [JsonPropertyName("recent_size")]
    public long RecentLength { get; set; } = 512;

    /// <summary>Whether a token makes room before it is read, as when the authors' code generates (evict_for_space), and not after, as in their
    /// evaluation; then it sees one token less. Default false.</summary>
    [JsonPropertyName("evicts_before_step")]
    public bool EvictsBeforeStep { get; set; }
}

/// <summary>StreamingLLM's mask as a component.</summary>
public static class StreamingMaskComponent
{
    /// <summary>StreamingLLM's mask.</summary>
    public static readonly Kind<StreamingMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<StreamingMaskOptions>("streaming", (options, layer) => new StreamingMask(options, layer));

    /// <summary>Gives the attention of layers StreamingLLM's mask.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddStreamingMask(this LanguageModelBuilder builder, Action<StreamingMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
