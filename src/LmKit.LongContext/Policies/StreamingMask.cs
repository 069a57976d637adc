using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>StreamingLLM's mask: a query sees the first tokens and the most recent ones, as if the text between had never been (Xiao et al. 2024,
/// section 3.2).</summary>
/// <remarks>
/// <para>The authors' cache holds S starting and R recent tokens and counts positions within itself. In distances: with eviction after a step a
/// query i sees its last R + 1 tokens, itself included, at their true distance, and starting token j at min(i, S + R) - j; with eviction before it,
/// the last R tokens and token j at min(i, S + R - 1) - j. Until that many tokens have come this is plain causal attention.</para>
/// <para>Attends to whole texts at once, in time and memory linear in the length; the authors' code takes one token at a time.</para>
/// </remarks>
public sealed class StreamingMask : IAttentionMask, IMaskedAttention, IReachingMask
{
    private readonly MaskReach reach;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">S is below 0, or R below 1.</exception>
    public StreamingMask(StreamingMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.StartLength < 0)
            throw new ArgumentException($"{nameof(StreamingMaskOptions)}.{nameof(options.StartLength)} = {options.StartLength} must be 0 or more.", nameof(options));
        if (options.RecentLength < 1)
            throw new ArgumentException($"{nameof(StreamingMaskOptions)}.{nameof(options.RecentLength)} = {options.RecentLength} must be 1 or more.", nameof(options));
        if (options.RecentLength > long.MaxValue / 4 || options.StartLength > long.MaxValue / 4)
            throw new ArgumentException($"{nameof(StreamingMaskOptions)}.{nameof(options.StartLength)} = {options.StartLength} and {nameof(options.RecentLength)} = {options.RecentLength} are more tokens than can be counted.", nameof(options));
        (StartLength, RecentLength, EvictsBeforeStep) = (options.StartLength, options.RecentLength, options.EvictsBeforeStep);
        var capacity = StartLength + RecentLength;
        reach = EvictsBeforeStep
            ? new MaskReach(RecentLength, StartLength, capacity - 1, FarDistance.Closed)
            : new MaskReach(RecentLength + 1, StartLength, capacity, FarDistance.Closed);
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public StreamingMask(StreamingMaskOptions options, LayerContext layer)
        : this(options)
    {
        PolicyLayer.Check(layer, "StreamingLLM's mask");
    }

    /// <summary>Starting tokens that stay visible, S.</summary>
    public long StartLength { get; }

    /// <summary>Recent tokens that the authors' cache keeps, R.</summary>
    public long RecentLength { get; }

    /// <summary>Whether room is made before a token comes.</summary>
    public bool EvictsBeforeStep { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => true;

    /// <inheritdoc/>
    public long? DistanceCeiling => null;

    /// <summary>False: no predicate and no ceiling say at which distances starting tokens are shown.</summary>
    public bool HasDenseForm => false;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    MaskReach IReachingMask.Reach => reach;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(StreamingMask));
        using var scope = NewDisposeScope();
        var j = keys.unsqueeze(-2);
        var distance = queries.unsqueeze(-1) - j; // (..., L, M)
        return distance.lt(reach.Window).logical_or(j.lt(StartLength)).logical_and(distance.ge(0)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(this, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        return LambdaAttention.Attend(input, reach);
    }

    /// <summary>The mask's name and its options.</summary>
    public override string ToString() => $"{nameof(StreamingMask)} ({nameof(StartLength)} = {StartLength}, {nameof(RecentLength)} = {RecentLength}, {nameof(EvictsBeforeStep)} = {(EvictsBeforeStep ? "true" : "false")})";
}
