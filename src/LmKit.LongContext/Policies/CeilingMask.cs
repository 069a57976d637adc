using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The distance ceiling alone: a query sees all earlier tokens, none further away than D, as min(i - j, D) (Han et al. 2024, figure 5, one half
/// of LM-Infinite, for comparison).</summary>
/// <remarks>
/// <para>A cache keeps everything, and a token costs time in proportion to the text. While a text is no longer than D it is plain causal
/// attention.</para>
/// <para>With a triangle offset t the scores of middle tokens G &lt;= j &lt;= i - L of query i &gt;= G + L are lowered by t ln(max(1, i - L + 1 - G)), which
/// holds against too many attended tokens (the authors' code; not in the paper).</para>
/// </remarks>
public sealed class CeilingMask : IAttentionMask, IMaskedAttention
{
    // Few scores of a tile are in memory at once.
    private const long TileLength = 128;

    private readonly double offset;
    private readonly long local;
    private readonly long globals;

    /// <summary>Makes the mask.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public CeilingMask(CeilingMaskOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options.DistanceCeiling, 0, nameof(options.DistanceCeiling));
        Check(options.GlobalLength, 0, nameof(options.GlobalLength));
        if (options.LocalLength is { } given)
            Check(given, 1, nameof(options.LocalLength));
        if (!double.IsFinite(options.TriangleOffset) || options.TriangleOffset < 0)
            throw new ArgumentException(FormattableString.Invariant($"{nameof(CeilingMaskOptions)}.{nameof(options.TriangleOffset)} = {options.TriangleOffset} must be 0 or a positive, finite number."), nameof(options));
        (Ceiling, offset, globals) = (options.DistanceCeiling, options.TriangleOffset, options.GlobalLength);
        local = options.LocalLength ?? Math.Max(1, options.DistanceCeiling);

        static void Check(long value, long least, string name)
        {
            if (value < least)
                throw new ArgumentException($"{nameof(CeilingMaskOptions)}.{name} = {value} must be {least} or more.", nameof(options));
        }
    }

    /// <summary>Makes the mask of a layer.</summary>
    /// <exception cref="ArgumentException">An option is out of range, tokens of the model see later tokens, or positions are learned.</exception>
    public CeilingMask(CeilingMaskOptions options, LayerContext layer)
        : this(options)
    {
        PolicyLayer.Check(layer, "the ceiling mask");
    }

    /// <summary>The largest distance shown, D.</summary>
    public long Ceiling { get; }

    /// <inheritdoc/>
    public bool IsCausal => true;

    /// <inheritdoc/>
    public bool Forgets => false;

    /// <inheritdoc/>
    public long? DistanceCeiling => Ceiling;

    /// <summary>Whether there is no triangle offset, which no predicate says.</summary>
    public bool HasDenseForm => offset == 0;

    /// <inheritdoc/>
    public bool ServesSoftCap => true;

    /// <inheritdoc/>
    public bool ServesSinks => offset == 0;

    /// <inheritdoc/>
    public Tensor? Visible(Tensor queries, Tensor keys)
    {
        AttentionInput.CheckPositions(queries, keys, nameof(CeilingMask));
        using var i = queries.unsqueeze(-1);
        using var j = keys.unsqueeze(-2);
        return i.ge(j); // (..., L, M)
    }

    /// <inheritdoc/>
    /// <remarks>Scores and softmax are computed in float32 or wider whatever the dtype.</remarks>
    public Tensor? Attend(AttentionInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        input.Check();
        if (AttentionInput.Misfit(this, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        // Every earlier token is a starting one, shown at D beyond the window of the distances below D.
        return offset == 0 ? LambdaAttention.Attend(input, new MaskReach(Ceiling, long.MaxValue, Ceiling)) : WithOffset(input);
    }

    /// <summary>The mask's name and its options.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{nameof(CeilingMask)} ({nameof(CeilingMaskOptions.DistanceCeiling)} = {Ceiling}{(offset == 0 ? "" : FormattableString.Invariant($", {nameof(CeilingMaskOptions.TriangleOffset)} = {offset}"))})");

    private Tensor WithOffset(AttentionInput input)
    {
        using var scope = NewDisposeScope();
        if (input.Queries.numel() == 0 || input.Keys.size(2) == 0)
            return zeros_like(input.Queries).MoveToOuterDisposeScope();
        var given = input.Queries.dtype;
        input = input.Widened().Decoded();
        var (near, far) = (input.EncodedKeys(), input.Encoding?.EncodeKeys(input.Keys, zeros_like(input.KeyPositions)));
        var tiles = new List<Tensor>();
        for (var start = 0L; start < input.Queries.size(2); start += TileLength)
            tiles.Add(Tile(input, near, far, start, Math.Min(TileLength, input.Queries.size(2) - start)));
        return cat(tiles, 2).to(given).MoveToOuterDisposeScope();
    }

    private Tensor Tile(AttentionInput input, Tensor near, Tensor? far, long start, long count)
    {
        using var scope = NewDisposeScope();
        var tile = input with
        {
            Queries = input.Queries.narrow(2, start, count),
            QueryPositions = input.QueryPositions.narrow(1, start, count),
            QuerySegments = input.QuerySegments?.narrow(1, start, count),
        };
        var (heads, keyHeads) = (tile.Queries.size(1), tile.Keys.size(1));
        var (i, j) = (tile.QueryPositions.unsqueeze(-1), tile.KeyPositions.unsqueeze(-2));
        var distances = i - j; // (B, L, M)
        var scores = Scores(tile.EncodedQueries(), near);
        if (far is not null)
            scores = where(SharedHeads.Repeat(distances.gt(Ceiling), heads / keyHeads).unsqueeze(1), Scores(tile.Encoding!.EncodeQueries(tile.Queries, full_like(tile.QueryPositions, Ceiling)), far), scores);
        scores = tile.Cap(scores);
        if (tile.Encoding?.Bias(distances.clamp(max: Ceiling), scores.dtype) is { } bias)
            scores += SharedHeads.Join(bias, keyHeads);
        var lowered = (i - (local - 1 + globals)).clamp(min: 1).to(scores.dtype).log() * offset; // (B, L, 1)
        var isMiddle = j.ge(globals).logical_and(distances.ge(local));
        scores -= SharedHeads.Repeat(lowered * isMiddle.to(scores.dtype), heads / keyHeads).unsqueeze(1);
        var allowed = DenseAttention.AllowedChecked(tile, this, out var blind)!;
        scores = scores.masked_fill(SharedHeads.Repeat(allowed.logical_not(), heads / keyHeads).unsqueeze(1), double.NegativeInfinity);
        var attended = SharedHeads.Split(einsum("bhlm,bhmp->bhlp", scores.softmax(-1), tile.Values), heads);
        return (blind is null ? attended : attended.masked_fill(blind.unsqueeze(1), 0)).MoveToOuterDisposeScope();

        Tensor Scores(Tensor q, Tensor k) => einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, keyHeads) * (1 / Math.Sqrt(q.size(3))), k);
    }
}
