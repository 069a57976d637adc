using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of dual chunk attention.</summary>
public sealed class DualChunkMaskOptions
{
    /// <summary>Tokens of a chunk, within which distances are true (s, chunk_size). Default 1536, three quarters of a trained length of 2048.</summary>
    [Range(1L, 1L << 40)]
    [JsonPropertyName("chunk_size")]
    public long ChunkLength { get; set; } = 1536;

    /// <summary>Tokens no farther than this are shown at their true distance in the chunk before, too (w, local_window); at most a chunk. Chunk and window
    /// together should be no more than the length that the model was trained on. Default 512.</summary>
    [Range(1L, 1L << 40)]
    [JsonPropertyName("local_window")]
    public long LocalLength { get; set; } = 512;
}

/// <summary>Dual chunk attention as a component.</summary>
public static class DualChunkMaskComponent
{
    /// <summary>Dual chunk attention.</summary>
    public static readonly Kind<DualChunkMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<DualChunkMaskOptions>("dual_chunk", (options, layer) => new DualChunkMask(options, layer));

    /// <summary>Lets the attention of layers see all earlier tokens, at positions within chunks.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddDualChunkMask(this LanguageModelBuilder builder, Action<DualChunkMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
