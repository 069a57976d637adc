using static TorchSharp.torch;

namespace LmKit;

/// <summary>What attention works on, before position encoding.</summary>
/// <param name="Queries">(B, H, L, P).</param>
/// <param name="Keys">(B, Hkv, M, P); query head h reads key head h / (H / Hkv).</param>
/// <param name="Values">(B, Hkv, M, P).</param>
/// <param name="QueryPositions">(B, L) int64: the row's own count of valid tokens of the same document before it.</param>
/// <param name="KeyPositions">(B, M) int64, likewise.</param>
/// <param name="QuerySegments">(B, L) int64 document ids, -1 for padding; null when every row is one document without padding.</param>
/// <param name="KeySegments">(B, M) int64, likewise; null exactly when <paramref name="QuerySegments"/> is.</param>
/// <param name="Encoding">The position encoding, or null for none; one that depends on the length is the one of this text's length.</param>
/// <remarks>Attending hides padding and other documents; a query that sees no key gives 0. When the segments are null all rows
/// share the same positions, and the positions are consecutive over the new tokens.</remarks>
public sealed record AttentionInput(
    Tensor Queries,
    Tensor Keys,
    Tensor Values,
    Tensor QueryPositions,
    Tensor KeyPositions,
    Tensor? QuerySegments,
    Tensor? KeySegments,
    PositionEncoding? Encoding)
{
    /// <summary>The bound of the scores: each becomes cap tanh(score / cap) before anything is added to it. Null, the default, for none.</summary>
    public double? SoftCap { get; init; }

    /// <summary>A score (H) of each query head that joins its softmax beside those of the keys and takes weight but brings no value: a key of
    /// value 0 that every query sees. Null, the default, for none. A query that sees no key gives 0 as without.</summary>
    public Tensor? Sinks { get; init; }

    /// <summary>Scaled scores as <see cref="SoftCap"/> bounds them, in the caller's dispose scope; in float32 or wider.</summary>
    internal Tensor Cap(Tensor scores) => SoftCap is { } cap ? (scores / cap).tanh() * cap : scores;

    /// <summary>Whether the keys are encoded already, each at its own position; the queries are not.</summary>
    internal bool HasEncodedKeys { get; init; }

    /// <summary>The same with keys before position encoding, in the caller's dispose scope.</summary>
    internal AttentionInput Decoded() => HasEncodedKeys
        ? this with { Keys = Encoding!.DecodeKeys(Keys, KeyPositions), HasEncodedKeys = false }
        : this;

    /// <summary>The keys as their encoding makes them, in the caller's dispose scope.</summary>
    internal Tensor EncodedKeys() => HasEncodedKeys || Encoding is null ? Keys : Encoding.EncodeKeys(Keys, KeyPositions);

    /// <summary>The queries as their encoding makes them, in the caller's dispose scope.</summary>
    internal Tensor EncodedQueries() => Encoding is null ? Queries : Encoding.EncodeQueries(Queries, QueryPositions);

    /// <summary>The same with queries, keys and values in float32 where they are in half precision, whose scores would be too coarse to
    /// tell keys apart; new handles in the caller's dispose scope.</summary>
    internal AttentionInput Widened() => this with
    {
        Queries = HalfPrecision.Widen(Queries),
        Keys = HalfPrecision.Widen(Keys),
        Values = HalfPrecision.Widen(Values),
        Sinks = Sinks is null ? null : HalfPrecision.Widen(Sinks),
    };

    /// <summary>Fails unless the tensors fit each other.</summary>
    /// <exception cref="ArgumentException">They do not; names the one that is off.</exception>
    internal void Check()
    {
        var check = new TensorCheck("Attention");
        check.Floating(Queries, nameof(Queries), "B H L P");
        check.Floating(Keys, nameof(Keys), "B G M P");
        check.Floating(Values, nameof(Values), "B G M P");
        check.Integers(QueryPositions, nameof(QueryPositions), "B L");
        check.Integers(KeyPositions, nameof(KeyPositions), "B M");
        if (QuerySegments is null != KeySegments is null)
            throw new ArgumentException("Queries and keys both have segments, or neither has.", nameof(KeySegments));
        if (QuerySegments is not null)
            check.Integers(QuerySegments, nameof(QuerySegments), "B L");
        if (KeySegments is not null)
            check.Integers(KeySegments, nameof(KeySegments), "B M");
        if (check["H"] == 0 || check["P"] == 0)
            throw new ArgumentException($"Attention has at least one head, at least one number wide; got {check["H"]} heads of width {check["P"]}.", nameof(Queries));
        if (check["G"] == 0 || check["H"] % check["G"] != 0)
            throw new ArgumentException($"{check["H"]} query heads cannot share {check["G"]} key heads.", nameof(Keys));
        if (Sinks is not null)
            check.Floating(Sinks, nameof(Sinks), "H");
        if (SoftCap is not (null or (>= 1e-9 and <= 1e9)))
            throw new ArgumentException($"A soft cap of scores is a number from 1e-9 to 1e9; got {SoftCap}.", nameof(SoftCap));
        try
        {
            Encoding?.CheckHeads(check["H"]);
        }
        catch (ArgumentException error)
        {
            throw new ArgumentException(error.Message, nameof(Encoding), error);
        }
        if (Encoding is { DependsOnLength: true })
            throw new ArgumentException($"The angles of {Encoding} depend on the length of the text; attention takes what its {nameof(PositionEncoding.ForLength)} gives.", nameof(Encoding));
    }

    /// <summary>Why a mask cannot attend with an encoding, or null: it shows distances that are not the true ones, and the encoding's scores
    /// depend on more than distances.</summary>
    internal static string? Misfit(IAttentionMask mask, PositionEncoding? encoding) =>
        encoding is { IsRelative: false } && (mask.DistanceCeiling is not null || mask is IMaskedAttention { HasDenseForm: false })
            ? $"{mask} shows distances of its own, and the scores of {encoding} depend on where query and key stand, not on their distance alone; take another mask or another encoding."
            : null;

    /// <summary>Fails unless query and key positions are int64 (..., L) and (..., M) with leading axes that are alike or 1.</summary>
    internal static void CheckPositions(Tensor queries, Tensor keys, string component)
    {
        var check = new TensorCheck(component);
        check.Integers(queries, nameof(queries), "... L");
        check.Integers(keys, nameof(keys), "... M");
        for (var back = 2; back <= Math.Min(queries.dim(), keys.dim()); back++)
        {
            var (first, second) = (queries.size(-back), keys.size(-back));
            if (first != second && first != 1 && second != 1)
                throw new ArgumentException($"{component} takes positions of queries and keys with the same leading axes; got ({string.Join(", ", queries.shape)}) and ({string.Join(", ", keys.shape)}).", nameof(keys));
        }
    }
}
