using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>LM-Infinite's Lambda mask: a query sees the last L tokens and the first G, the latter at distance D once they leave the
/// window (Han et al. 2024, section 4).</summary>
/// <remarks>
/// <para>keep(i, j): 0 &lt;= i - j and (i - j &lt; L or j &lt; G). Distance shown: i - j if i - j &lt; L, else D. While a sequence is no
/// longer than L this is plain causal attention.</para>
/// <para>Attends in time and memory linear in the length, in tiles of queries; ragged or packed batches go through a dense form.
/// For D = L the effective distance is min(i - j, L), so <see cref="DistanceCeiling"/> tells the whole meaning; for any other D
/// only <see cref="Attend"/> does (<see cref="HasDenseForm"/>). Soft caps of scores are served.</para>
/// </remarks>
public sealed class LambdaMask : IAttentionMask, IMaskedAttention, IReachingMask
{
    private readonly long ceiling;

    /// <summary>Makes the mask; attention to the middle is the layer's (<see cref="LambdaMaskComponent.AddLambdaMask"/>), and no part of it.</summary>
    /// <exception cref="ArgumentException">L is below 1, or G or D below 0.</exception>
    public LambdaMask(LambdaMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options.LocalLength, 1, nameof(options.LocalLength));
        Check(options.GlobalLength, 0, nameof(options.GlobalLength));
        LocalLength = options.LocalLength;
        GlobalLength = options.GlobalLength;
        ceiling = options.DistanceCeiling ?? options.LocalLength;
        Check(ceiling, 0, nameof(options.DistanceCeiling));
        ShowsTrueDistances = options.ShowsTrueDistances;
        if (ShowsTrueDistances && options.DistanceCeiling is { } given)
            throw new ArgumentException($"{nameof(LambdaMaskOptions)}.{nameof(options.DistanceCeiling)} = {given} bounds distances, and {nameof(options.ShowsTrueDistances)} = true leaves them as they are; give one of them.", nameof(options));

        static void Check(long value, long least, string name)
        {
            if (value < least)
                throw new ArgumentException($"{nameof(LambdaMaskOptions)}.{name} = {value} must be {least} or more.", nameof(options));
        }
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public LambdaMask(LambdaMaskOptions options, LayerContext layer)
        : this(options)
    {
        PolicyLayer.Check(layer, "the Lambda mask");
    }

    /// <summary>The window L, the query itself included.</summary>
    public long LocalLength { get; }

    /// <summary>The starting tokens G that stay visible.</summary>
    public long GlobalLength { get; }

    /// <summary>Whether starting tokens beyond the window are shown at their true distance.</summary>
    public bool ShowsTrueDistances { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => true;

    /// <summary>The window L, at which distances stop growing; null where D is not L, since no ceiling then says what this mask
    /// means (<see cref="HasDenseForm"/>), and where distances stay true.</summary>
    public long? DistanceCeiling => HasDenseForm && !ShowsTrueDistances ? ceiling : null;

    /// <summary>Whether D is L, so that distances are min(i - j, L), or distances stay true.</summary>
    public bool HasDenseForm => ShowsTrueDistances || ceiling == LocalLength;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => true;

    MaskReach IReachingMask.Reach => new(LocalLength, GlobalLength, ceiling, ShowsTrueDistances ? FarDistance.True : FarDistance.Ceiling);

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(LambdaMask));
        using var scope = NewDisposeScope();
        var j = keys.unsqueeze(-2);
        var distance = queries.unsqueeze(-1) - j; // (..., L, M)
        return distance.lt(LocalLength).logical_or(j.lt(GlobalLength)).logical_and(distance.ge(0)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(this, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        return LambdaAttention.Attend(input, ((IReachingMask)this).Reach);
    }

    /// <summary>The mask's name and its three numbers.</summary>
    public override string ToString() =>
        $"{nameof(LambdaMask)} ({nameof(LocalLength)} = {LocalLength}, {nameof(GlobalLength)} = {GlobalLength}, {(ShowsTrueDistances ? $"{nameof(ShowsTrueDistances)} = true" : $"{nameof(LambdaMaskOptions.DistanceCeiling)} = {ceiling}")})";
}
