using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>Options of rotary positions.</summary>
public sealed class RotaryOptions
{
    /// <summary>Features of each head that rotary turns (rotary_dim); even. 0 stands for all, the default.</summary>
    [Range(0, 65536)]
    [JsonPropertyName("rotary_dim")]
    public long Dim { get; set; }

    /// <summary>The base of rotary's frequencies (rope_theta). Default 10000.</summary>
    [Range(1.0, 1e12)]
    [JsonPropertyName("rope_theta")]
    public double Base { get; set; } = 10_000;

    /// <summary>Whether rotary pairs are neighbouring features (GPT-J) instead of halves (Llama). Default false.</summary>
    [JsonPropertyName("rotary_interleaved")]
    public bool IsInterleaved { get; set; }

    /// <summary>How the frequencies are scaled for texts longer than the trained ones (rope_scaling), such as
    /// <see cref="YarnRotaryScaling"/>; null, the default, for not at all.</summary>
    [JsonPropertyName("rope_scaling")]
    public RotaryScaling? Scaling { get; set; }
}

/// <summary>Options of linear biases.</summary>
public sealed class AlibiOptions
{
    /// <summary>The exponent b of the last head's slope, 2^-b (alibi_bias_max, MPT). Default 8.</summary>
    [Range(1e-3, 1e3)]
    [JsonPropertyName("alibi_bias_max")]
    public double MaxBias { get; set; } = 8;
}

/// <summary>Options of learned positions.</summary>
public sealed class LearnedPositionOptions
{
    /// <summary>Positions of the table (max_position_embeddings); no default.</summary>
    [Range(1, int.MaxValue)]
    [JsonPropertyName("max_position_embeddings")]
    public long Count { get; set; }
}

/// <summary>Core's position encodings as components.</summary>
public static class PositionComponents
{
    /// <summary>Rotary positions.</summary>
    public static readonly Kind<RotaryOptions, PositionEncoding> Rotary = Slots.Positions.Define<RotaryOptions>("rotary", CreateRotary);

    /// <summary>Linear biases on the scores.</summary>
    public static readonly Kind<AlibiOptions, PositionEncoding> Alibi = Slots.Positions.Define<AlibiOptions>("alibi", (options, site) => new AlibiEncoding(site.HeadCount, options.MaxBias));

    /// <summary>A learned vector per position, added to the embedding.</summary>
    public static readonly Kind<LearnedPositionOptions, PositionEncoding> Learned = Slots.Positions.Define<LearnedPositionOptions>("learned", (options, _) => new LearnedPositionEncoding(options));

    /// <summary>No positions.</summary>
    public static readonly Kind<PositionEncoding> None = Slots.Positions.Define("none", _ => new NoPositions());

    /// <summary>Turns queries and keys by their positions (rotary embedding, RoPE).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddRotary(this LanguageModelBuilder builder, Action<RotaryOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Rotary, configure, layers);
    }

    /// <summary>Lowers each head's scores in proportion to the distance (ALiBi).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="configure">Fills the options.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddAlibi(this LanguageModelBuilder builder, Action<AlibiOptions>? configure = null, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Alibi, configure, layers);
    }

    /// <summary>Adds a learned vector per absolute position to the embedding (GPT-2).</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="count">Positions of the table; longer texts are refused.</param>
    public static LanguageModelBuilder AddLearnedPositions(this LanguageModelBuilder builder, long count)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Learned, options => options.Count = count);
    }

    /// <summary>Gives attention no positions; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddNoPositions(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(None, layers);
    }

    private static PositionEncoding CreateRotary(RotaryOptions options, PositionSite site)
    {
        var dim = options.Dim > 0 ? options.Dim : site.HeadDim;
        var width = options.Dim > 0 ? $"{nameof(RotaryOptions)}.{nameof(options.Dim)} = {dim}" : $"{nameof(RotaryOptions)}.{nameof(options.Dim)} = 0, which stands for the head width {dim},";
        if (dim > site.HeadDim)
            throw new ArgumentException($"{width} exceeds the head width {site.HeadDim}.");
        if (dim % 2 != 0)
            throw new ArgumentException($"{width} is odd; rotary turns pairs of features.");
        if (options.Scaling is not { } scaling)
            return new RotaryEmbedding(dim, options.Base, options.IsInterleaved);
        RotaryEmbedding.Check(dim, options.Base);
        if (scaling.Fault(dim, options.Base) is { } fault)
            throw new ArgumentException($"{nameof(RotaryOptions)}.{nameof(options.Scaling)} = {scaling.GetType().Name} {fault}.");
        return scaling.Border is null
            ? new RotaryEmbedding(scaling.Frequencies(dim, options.Base, 1), options.IsInterleaved)
            : new LengthScaledRotary(scaling, dim, options.Base, options.IsInterleaved);
    }
}
