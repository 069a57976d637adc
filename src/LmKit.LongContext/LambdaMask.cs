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

    /// <summary>Makes the mask.</summary>
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
        ArgumentNullException.ThrowIfNull(layer);
        if (layer.IsBidirectional)
            throw new ArgumentException($"{nameof(LanguageModelOptions)}.{nameof(LanguageModelOptions.IsBidirectional)} = true ($.model.is_bidirectional) lets tokens see later tokens, and the Lambda mask is causal; drop it or build a causal model.", nameof(layer));
        if (layer.HasLearnedPositions)
        {
            throw new ArgumentException(
                "Learned absolute positions end with their table (max_position_embeddings), so the Lambda mask cannot carry the model beyond it; use rotary, ALiBi or no positions.",
                nameof(layer));
        }
    }

    /// <summary>The window L, the query itself included.</summary>
    public long LocalLength { get; }

    /// <summary>The starting tokens G that stay visible.</summary>
    public long GlobalLength { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => true;

    /// <summary>The window L, at which distances stop growing; null where D is not L, since no ceiling then says what this mask
    /// means (<see cref="HasDenseForm"/>).</summary>
    public long? DistanceCeiling => HasDenseForm ? ceiling : null;

    /// <summary>Whether D is L: distances then stay true inside the window and are D beyond it, which is min(i - j, L).</summary>
    public bool HasDenseForm => ceiling == LocalLength;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    MaskReach IReachingMask.Reach => new(LocalLength, GlobalLength, ceiling);

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
        if (input.Queries.numel() == 0 || input.Keys.size(2) == 0)
            return zeros_like(input.Queries);
        using var scope = NewDisposeScope();
        var given = input.Queries.dtype;
        if (HalfPrecision.Is(given) && (input.Encoding is not null || input.QuerySegments is not null || input.SoftCap is not null))
            input = input.Widened();
        return Attended(input).to(given).MoveToOuterDisposeScope();
    }

    /// <summary>The mask's name and its three numbers.</summary>
    public override string ToString() => $"{nameof(LambdaMask)} ({nameof(LocalLength)} = {LocalLength}, {nameof(GlobalLength)} = {GlobalLength}, {nameof(LambdaMaskOptions.DistanceCeiling)} = {ceiling})";

    private Tensor Attended(AttentionInput input)
    {
        var shape = new MaskReach(LocalLength, GlobalLength, ceiling);
        if (input.QuerySegments is not null)
            return LambdaDense.Attend(input.Widened(), shape, this);
        var held = new HeldKeys(input.KeyPositions);
        var positions = HeldKeys.Host(input.QueryPositions);
        if (!held.EndsWith(positions))
            return LambdaDense.Attend(input.Widened(), shape, this);
        return positions.Length == 1 ? LambdaStep.Attend(input, shape, held, positions[0]) : LambdaTiles.Attend(input, shape, held, positions);
    }
}

/// <summary>The Lambda mask's definition over every pair of query and key, for rows whose positions or documents differ.</summary>
internal static class LambdaDense
{
    internal static Tensor Attend(AttentionInput input, MaskReach shape, LambdaMask mask)
    {
        using var scope = NewDisposeScope();
        var keyHeads = input.Keys.size(1);
        var (heads, sharing) = (input.Queries.size(1), input.Queries.size(1) / keyHeads);
        var distances = input.QueryPositions.unsqueeze(-1) - input.KeyPositions.unsqueeze(-2); // (B, L, M)
        var isFar = distances.ge(shape.Window);
        var allowed = DenseAttention.AllowedChecked(input, mask, out var blind)!;
        var scores = Scores(input.EncodedQueries(), input.EncodedKeys());
        if (input.Encoding is { } encoding)
        {
            var far = Scores(
                encoding.EncodeQueries(input.Queries, full_like(input.QueryPositions, shape.Ceiling)),
                encoding.EncodeKeys(input.Decoded().Keys, zeros_like(input.KeyPositions)));
            scores = where(SharedHeads.Repeat(isFar, sharing).unsqueeze(1), far, scores);
        }
        scores = input.Cap(scores);
        if (input.Encoding?.Bias(distances.masked_fill(isFar, shape.Ceiling), scores.dtype) is { } bias)
            scores += SharedHeads.Join(bias, keyHeads);
        scores = scores.masked_fill(SharedHeads.Repeat(allowed.logical_not(), sharing).unsqueeze(1), double.NegativeInfinity);
        var attended = SharedHeads.Split(einsum("bhlm,bhmp->bhlp", scores.softmax(-1), input.Values), heads);
        return (blind is null ? attended : attended.masked_fill(blind.unsqueeze(1), 0)).MoveToOuterDisposeScope();
    }

    private static Tensor Scores(Tensor q, Tensor k) =>
        einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, k.size(1)) * (1 / Math.Sqrt(q.size(3))), k);
}

/// <summary>The positions of the keys that every row of a uniform batch holds, ascending, with gaps where a cache dropped some.</summary>
internal readonly struct HeldKeys
{
    private readonly long[] positions;

    internal HeldKeys(Tensor keyPositions) => positions = Host(keyPositions);

    internal long Count => positions.Length;

    internal long this[long index] => positions[index];

    /// <summary>Whether the positions ascend and end with those of the new tokens, which follow one another: what a cache holds.</summary>
    internal bool EndsWith(long[] queries)
    {
        if (!positions.AsSpan().EndsWith(queries) || queries[^1] - queries[0] != queries.Length - 1)
            return false;
        for (var index = 1; index < positions.Length; index++)
        {
            if (positions[index] <= positions[index - 1])
                return false;
        }
        return true;
    }

    /// <summary>How many keys stand before a position.</summary>
    internal long CountBefore(long position)
    {
        var index = Array.BinarySearch(positions, position);
        return index < 0 ? ~index : index;
    }

    /// <summary>The positions of one row (B, L) on the host.</summary>
    internal static long[] Host(Tensor rows)
    {
        using var first = rows.select(0, 0);
        return HostValues.Read(first);
    }
}
