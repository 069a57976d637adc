using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>By what a cache that is full tells which keys to keep.</summary>
public enum EvictionPolicy
{
    /// <summary>Keys of the smallest length stay, ||k||; each key head keeps its own (Devoto et al. 2024, which found that attention goes to
    /// keys of small norm).</summary>
    KeyNorm,

    /// <summary>Keys that are least like the others stay: those with the smallest cosine to the mean of all held keys, each scaled to length 1
    /// first; each key head keeps its own (Park et al. 2025, KeyDiff).</summary>
    KeyDiff,

    /// <summary>Keys that the last query attends to most stay, its weights averaged over all query heads; all key heads keep the same (Oren et
    /// al. 2024, TOVA).</summary>
    Tova,
}

/// <summary>Options of the eviction mask.</summary>
public sealed class EvictionMaskOptions
{
    /// <summary>By what keys are chosen. Default the norm of the keys.</summary>
    public EvictionPolicy Policy { get; set; }

    /// <summary>Keys that stay when the cache is full, C, starts and recent ones among them. Default 1024.</summary>
    [Range(1, 1 << 24)]
    public int Budget { get; set; } = 1024;

    /// <summary>Starting tokens that always stay. Default 4; the papers have none.</summary>
    [Range(0, 1 << 24)]
    public int StartLength { get; set; } = 4;

    /// <summary>Last tokens that stay whatever they hold. Default 32; the papers have none.</summary>
    [Range(0, 1 << 24)]
    public int RecentLength { get; set; } = 32;

    /// <summary>Tokens b from one eviction to the next: keys are dropped only after a token whose number in its document b divides, so that
    /// results do not depend on how a text is cut into calls, and the cache holds at most C + b keys. 1 is the papers' way of decoding,
    /// and then a long prompt is read token by token. Default 64.</summary>
    [Range(1, 1 << 20)]
    public int BlockLength { get; set; } = 64;
}

/// <summary>The eviction mask as a component.</summary>
public static class EvictionMaskComponent
{
    /// <summary>The eviction mask.</summary>
    public static readonly Kind<EvictionMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<EvictionMaskOptions>("eviction", (options, layer) => new EvictionMask(options, layer));

    /// <summary>Bounds the caches of layers by dropping keys for what they hold, not for where they stand.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddEvictionMask(this LanguageModelBuilder builder, Action<EvictionMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }
}
