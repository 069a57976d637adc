using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the Lambda mask.</summary>
public sealed class LambdaMaskOptions
{
    /// <summary>How many of the last tokens a query sees, itself included (L); at most the length the model was trained on.
    /// Default 2048 (the authors' code).</summary>
    [Range(1L, long.MaxValue)]
    [JsonPropertyName("local_branch")]
    public long LocalLength { get; set; } = 2048;

    /// <summary>How many starting tokens every query sees (G). Default 10 (the authors' examples; 5 to 100 do about equally well).</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("global_branch")]
    public long GlobalLength { get; set; } = 10;

    /// <summary>The distance at which starting tokens beyond the window are shown (D); null, the default, stands for
    /// <see cref="LocalLength"/>.</summary>
    [Range(0L, long.MaxValue)]
    [JsonPropertyName("limit_distance")]
    public long? DistanceCeiling { get; set; }

    /// <summary>Whether starting tokens beyond the window are shown at their true distance, which no ceiling then bounds: the mask alone, one half of
    /// LM-Infinite, for comparison. Default false.</summary>
    [JsonPropertyName("true_distances")]
    public bool ShowsTrueDistances { get; set; }

    /// <summary>Attention to the most fitting tokens of the middle; null, the default, for none.</summary>
    public TopKMiddleOptions? Middle { get; set; }
}

/// <summary>The Lambda mask as a component.</summary>
public static class LambdaMaskComponent
{
    /// <summary>The Lambda mask.</summary>
    public static readonly Kind<LambdaMaskOptions, IAttentionMask> Kind = Slots.Mask.Define<LambdaMaskOptions>("lambda", (options, layer) => options.Middle is null ? new LambdaMask(options, layer) : RetrievingMask.Of(options, layer));

    /// <summary>Gives the attention of layers LM-Infinite's Lambda mask.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddLambdaMask(this LanguageModelBuilder builder, Action<LambdaMaskOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Kind, configure, layers);
    }

    /// <summary>Adds every kind of LmKit.LongContext, so that saved models which name them can be loaded.</summary>
    public static ComponentRegistry AddLongContext(this ComponentRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        return registry.Add(Kind).Add(StreamingMaskComponent.Kind).Add(CeilingMaskComponent.Kind).Add(SelfExtendMaskComponent.Kind).Add(DualChunkMaskComponent.Kind).Add(EvictionMaskComponent.Kind);
    }
}
