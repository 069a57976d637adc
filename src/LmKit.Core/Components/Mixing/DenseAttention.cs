using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Attention over every key held, with what a mask hides left out: softmax(s + bias) v with s = q k^T / sqrt(P), or
/// c tanh(s / c) in its place under a soft cap c (<see cref="AttentionInput.SoftCap"/>), and with one more score in the softmax where there are sinks
/// (<see cref="AttentionInput.Sinks"/>).</summary>
/// <remarks>The definition that masks with their own attention are compared with; quadratic in the length. Scores and softmax are
/// computed in float32 or wider; half precision with a position encoding is widened before it is encoded and narrowed at the end.</remarks>
public static class DenseAttention
{
    /// <summary>Attends through <see cref="IAttentionMask.Visible"/> and <see cref="IAttentionMask.DistanceCeiling"/>.</summary>
    /// <param name="input">Queries, keys and values before position encoding.</param>
    /// <param name="mask">What is seen.</param>
    /// <param name="dropout">Applied to the weights, or null.</param>
    /// <returns>(B, H, L, P); zero for a query that sees no key.</returns>
    /// <exception cref="NotSupportedException">The mask means more than it can say (<see cref="IMaskedAttention.HasDenseForm"/>).</exception>
    public static Tensor Attend(AttentionInput input, IAttentionMask mask, Dropout? dropout = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(mask);
        input.Check();
        if (mask is IMaskedAttention { HasDenseForm: false })
            throw new NotSupportedException($"{mask} can only attend by itself: {nameof(IAttentionMask.Visible)} and {nameof(IAttentionMask.DistanceCeiling)} do not say all that it does.");
        if (AttentionInput.Misfit(mask, input.Encoding) is { } misfit)
            throw new ArgumentException(misfit, nameof(input));
        return AttendChecked(input, mask, dropout);
    }

    private static Tensor AttendChecked(AttentionInput input, IAttentionMask mask, Dropout? dropout)
    {
        using var scope = NewDisposeScope();
        var queryCount = input.Queries.size(2);
        var keyCount = input.Keys.size(2);
        if (queryCount == 0 || keyCount == 0 || input.Queries.size(0) == 0)
            return zeros_like(input.Queries).MoveToOuterDisposeScope();
        var isFused = dropout is null && input.SoftCap is null && input.Sinks is null && mask.DistanceCeiling is null && input.Encoding is null or { IsBiasFree: true };
        if (HalfPrecision.Is(input.Queries.dtype) && !(isFused && input.Encoding is null))
            return AttendChecked(input.Widened(), mask, dropout).to(input.Queries.dtype).MoveToOuterDisposeScope();
        if (!isFused)
            return Weighted(mask.DistanceCeiling is null ? input : input.Decoded(), mask, dropout).MoveToOuterDisposeScope();
        var (q, k) = (input.EncodedQueries(), input.EncodedKeys());
        if (mask.IsPlainCausal && input.QuerySegments is null && queryCount == keyCount)
        {
            var whole = nn.functional.scaled_dot_product_attention(q, ShareHeads(k, q), ShareHeads(input.Values, q), is_casual: true);
            return whole.MoveToOuterDisposeScope();
        }
        var (heads, keyHeads) = (q.size(1), k.size(1));
        var allowed = AllowedChecked(input, mask, out var blind);
        var attended = nn.functional.scaled_dot_product_attention(
            SharedHeads.Join(q, keyHeads),
            k,
            input.Values,
            allowed is null ? null : SharedHeads.Repeat(allowed, heads / keyHeads).unsqueeze(1));
        return Blank(SharedHeads.Split(attended, heads), blind).MoveToOuterDisposeScope();
    }

    /// <summary>Repeats key or value heads for the queries that share them: (B, Hkv, M, P) to (B, H, M, P).</summary>
    public static Tensor ShareHeads(Tensor keys, Tensor queries)
    {
        var check = new TensorCheck(nameof(DenseAttention));
        check.Any(queries, nameof(queries), "B H L P");
        check.Any(keys, nameof(keys), "B G M P");
        if (keys.size(1) == 0 || queries.size(1) % keys.size(1) != 0)
            throw new ArgumentException($"{queries.size(1)} query heads cannot share {keys.size(1)} key heads; one number divides the other.", nameof(keys));
        var sharing = queries.size(1) / keys.size(1);
        if (sharing == 1)
            return keys.alias();
        using var one = keys.unsqueeze(2);
        using var all = one.expand(-1, -1, sharing, -1, -1);
        return all.reshape(keys.size(0), queries.size(1), keys.size(2), keys.size(3));
    }

    /// <summary>Which keys each query sees, padding and other documents hidden: (B or 1, L, M) bool, or null for all.</summary>
    /// <param name="input">Positions and segments.</param>
    /// <param name="mask">The mask.</param>
    /// <param name="blind">Queries that see nothing, (B, L, 1) bool, whose rows are all true in the result; null when there are none.</param>
    public static Tensor? Allowed(AttentionInput input, IAttentionMask mask, out Tensor? blind)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(mask);
        input.Check();
        return AllowedChecked(input, mask, out blind);
    }

    /// <summary>The same for an input that was checked.</summary>
    internal static Tensor? AllowedChecked(AttentionInput input, IAttentionMask mask, out Tensor? blind)
    {
        blind = null;
        if (input.Queries.size(0) == 0)
            return null;
        var isUniform = input.QuerySegments is null;
        if (isUniform && input.Queries.size(2) == 1 && mask.IsPlainCausal)
            return null;
        // Rows of a uniform batch share their positions, so one row's mask serves all.
        var queries = isUniform ? input.QueryPositions.narrow(0, 0, 1) : input.QueryPositions;
        var keys = isUniform ? input.KeyPositions.narrow(0, 0, 1) : input.KeyPositions;
        var visible = mask.Visible(queries, keys); // (B or 1, L, M)
        if (isUniform)
        {
            if (visible is null || mask.IsPlainCausal)
                return visible;
            blind = visible.any(-1, keepdim: true).logical_not();
            return visible.logical_or(blind);
        }
        var same = input.QuerySegments!.unsqueeze(-1).eq(input.KeySegments!.unsqueeze(-2));
        same = same.logical_and(input.KeySegments!.ge(0).unsqueeze(-2));
        visible = visible is null ? same : visible.logical_and(same);
        blind = visible.any(-1, keepdim: true).logical_not();
        return visible.logical_or(blind);
    }

    private static Tensor Weighted(AttentionInput input, IAttentionMask mask, Dropout? dropout)
    {
        var (heads, keyHeads) = (input.Queries.size(1), input.Keys.size(1));
        var scale = 1 / Math.Sqrt(input.Queries.size(3));
        var distances = input.QueryPositions.unsqueeze(-1) - input.KeyPositions.unsqueeze(-2); // (B, L, M)
        var scores = Scores(input.EncodedQueries(), input.EncodedKeys()); // (B, Hkv, H / Hkv * L, M)
        if (mask.DistanceCeiling is { } ceiling)
        {
            var far = distances.gt(ceiling);
            if (input.Encoding is { } encoding)
            {
                var capped = Scores(
                    encoding.EncodeQueries(input.Queries, full_like(input.QueryPositions, ceiling)),
                    encoding.EncodeKeys(input.Keys, zeros_like(input.KeyPositions)));
                scores = where(SharedHeads.Repeat(far, heads / keyHeads).unsqueeze(1), capped, scores);
            }
            distances = distances.clamp(max: ceiling);
        }
        scores = input.Cap(scores);
        if (input.Encoding?.Bias(distances, scores.dtype) is { } bias)
            scores += SharedHeads.Join(bias, keyHeads);
        Tensor? blind = null;
        if (AllowedChecked(input, mask, out blind) is { } allowed)
            scores = scores.masked_fill(SharedHeads.Repeat(allowed.logical_not(), heads / keyHeads).unsqueeze(1), double.NegativeInfinity);
        if (input.Sinks is { } sinks)
        {
            // One more key for every query, whose value is zero.
            var column = sinks.to(scores.dtype).view(1, keyHeads, heads / keyHeads, 1, 1).expand(scores.size(0), -1, -1, input.Queries.size(2), 1);
            scores = cat([scores, column.reshape(scores.size(0), keyHeads, scores.size(2), 1)], -1);
        }
        var weights = scores.softmax(-1).narrow(-1, 0, input.Keys.size(2));
        if (dropout is not null)
            weights = dropout.call(weights);
        return Blank(SharedHeads.Split(einsum("bhlm,bhmp->bhlp", weights, input.Values), heads), blind);

        Tensor Scores(Tensor q, Tensor k) => einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, keyHeads) * scale, k);
    }

    private static Tensor Blank(Tensor attended, Tensor? blind) =>
        blind is null ? attended : attended.masked_fill(blind.unsqueeze(1), 0);
}

/// <summary>Query heads that read one key head, laid out as more rows of that head, so that keys are never repeated.</summary>
internal static class SharedHeads
{
    /// <summary>(B, H, L, X) to (B, Hkv, H / Hkv * L, X).</summary>
    internal static Tensor Join(Tensor x, long keyHeads) => x.size(1) == keyHeads
        ? x.alias()
        : x.reshape(x.size(0), keyHeads, x.size(1) / keyHeads * x.size(2), x.size(3));

    /// <summary>(B, Hkv, H / Hkv * L, X) to (B, H, L, X).</summary>
    internal static Tensor Split(Tensor x, long heads) => x.size(1) == heads
        ? x.alias()
        : x.reshape(x.size(0), heads, x.size(2) * x.size(1) / heads, x.size(3));

    /// <summary>A mask (..., L, M) for the rows that <see cref="Join"/> makes.</summary>
    internal static Tensor Repeat(Tensor mask, long sharing)
    {
        if (sharing == 1)
            return mask.alias();
        var repeats = new long[mask.dim()];
        Array.Fill(repeats, 1);
        repeats[^2] = sharing;
        return mask.repeat(repeats);
    }
}
