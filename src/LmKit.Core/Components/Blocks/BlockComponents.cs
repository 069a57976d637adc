using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of the sequential pre-norm layer.</summary>
public sealed class SequentialBlockOptions
{
    /// <summary>Whether each residual is what its norm gave instead of what the norm read (apply_residual_connection_post_layernorm, BLOOM).
    /// Default false.</summary>
    [JsonPropertyName("apply_residual_connection_post_layernorm")]
    public bool IsResidualAfterNorm { get; set; }
}

/// <summary>Options of the parallel layer.</summary>
public sealed class ParallelBlockOptions
{
    /// <summary>Whether one norm serves both parts (GPT-J) instead of one each (GPT-NeoX). Default false.</summary>
    public bool HasOneNorm { get; set; }
}

/// <summary>Core's layer layouts as components.</summary>
public static class BlockComponents
{
    /// <summary>The sequential pre-norm layer.</summary>
    public static readonly Kind<SequentialBlockOptions, IBlock> Sequential = Slots.Block.Define<SequentialBlockOptions>("sequential", (options, layer) => new SequentialBlock(options, layer));

    /// <summary>The parallel layer.</summary>
    public static readonly Kind<ParallelBlockOptions, IBlock> Parallel = Slots.Block.Define<ParallelBlockOptions>("parallel", (options, layer) => new ParallelBlock(options, layer));

    /// <summary>The layer with norms before and after each part.</summary>
    public static readonly Kind<IBlock> Sandwich = Slots.Block.Define("sandwich", layer => new SandwichBlock(layer));

    /// <summary>The layer with norms only after each part.</summary>
    public static readonly Kind<IBlock> PostNorm = Slots.Block.Define("post_norm", layer => new PostNormBlock(layer));

    /// <summary>Gives layers the sequential pre-norm layout; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSequentialBlock(this LanguageModelBuilder builder, Action<SequentialBlockOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Sequential, configure, layers);
    }

    /// <summary>Gives layers the parallel layout (GPT-J, GPT-NeoX).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddParallelBlock(this LanguageModelBuilder builder, Action<ParallelBlockOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Parallel, configure, layers);
    }

    /// <summary>Gives layers norms before and after each part (Gemma 2).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSandwichBlock(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Sandwich, layers);
    }

    /// <summary>Gives layers norms only after each part (OLMo 2).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddPostNormBlock(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(PostNorm, layers);
    }
}
