using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Options of the sliding window.</summary>
public sealed class SlidingWindowOptions
{
    /// <summary>Tokens that a query sees, itself included, W (sliding_window); no default.</summary>
    [Range(1, int.MaxValue)]
    [JsonPropertyName("sliding_window")]
    public long Window { get; set; }
}

/// <summary>Every query sees itself and the W - 1 tokens before it: 0 &lt;= i - j &lt; W (Beltagy et al. 2020, causal; Mistral 7B).</summary>
/// <remarks>A cache keeps no more than about W keys. Attends in time and memory linear in the length, over padded and packed rows too; soft caps
/// and sinks are served.</remarks>
public sealed class SlidingWindowMask : IAttentionMask, IMaskedAttention, IReachingMask
{
    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">W is below 1.</exception>
    public SlidingWindowMask(SlidingWindowOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Window < 1)
            throw new ArgumentException($"{nameof(SlidingWindowOptions)}.{nameof(options.Window)} = {options.Window} hides every token; a window holds at least the query's own.", nameof(options));
        Window = options.Window;
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">W is below 1, or tokens of the model see later tokens.</exception>
    public SlidingWindowMask(SlidingWindowOptions options, LayerContext layer)
        : this(options)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new ArgumentException($"{nameof(SlidingWindowOptions)}.{nameof(options.Window)} = {Window} is a causal window, but {nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsBidirectional)} = true ($.model.is_bidirectional); leave the mask out, or build a causal model.", nameof(layer));
    }

    /// <summary>Tokens that a query sees, itself included, W.</summary>
    public long Window { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => true;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    MaskReach IReachingMask.Reach => new(Window, 0, 0);

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(SlidingWindowMask));
        using var scope = NewDisposeScope();
        var distance = queries.unsqueeze(-1) - keys.unsqueeze(-2); // (..., L, M)
        return distance.ge(0).logical_and(distance.lt(Window)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        return LambdaAttention.Attend(input, ((IReachingMask)this).Reach);
    }

    /// <summary>The mask's name and its window.</summary>
    public override string ToString() => $"{nameof(SlidingWindowMask)} ({nameof(Window)} = {Window})";
}
