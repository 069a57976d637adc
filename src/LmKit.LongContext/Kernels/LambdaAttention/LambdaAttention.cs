using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention through a mask of three numbers: the last keys at their true distance, and the first ones at the distance that the mask
/// tells.</summary>
internal static class LambdaAttention
{
    /// <summary>Attends; the input is checked, and has at least one query and one key.</summary>
    /// <param name="input">Queries, keys and values of a call.</param>
    /// <param name="reach">The three numbers.</param>
    /// <param name="mask">The mask itself.</param>
    /// <returns>(B, H, L, P), in the caller's dispose scope.</returns>
    internal static Tensor Attend(AttentionInput input, MaskReach reach, IAttentionMask mask)
    {
        using var scope = NewDisposeScope();
        var given = input.Queries.dtype;
        if (HalfPrecision.Is(given) && (input.Encoding is not null || input.QuerySegments is not null || input.SoftCap is not null))
            input = input.Widened();
        return Attended(input, reach, mask).to(given).MoveToOuterDisposeScope();
    }

    private static Tensor Attended(AttentionInput input, MaskReach reach, IAttentionMask mask)
    {
        if (input.QuerySegments is not null)
            return LambdaDense.Attend(input.Widened(), reach, mask);
        var held = new HeldKeys(input.KeyPositions);
        var positions = HeldKeys.Host(input.QueryPositions);
        if (!held.EndsWith(positions))
            return LambdaDense.Attend(input.Widened(), reach, mask);
        return positions.Length == 1 ? LambdaStep.Attend(input, reach, held, positions[0]) : LambdaTiles.Attend(input, reach, held, positions);
    }
}

/// <summary>The Lambda mask's definition over every pair of query and key, for rows whose positions or documents differ.</summary>
internal static class LambdaDense
{
    internal static Tensor Attend(AttentionInput input, MaskReach shape, IAttentionMask mask)
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
