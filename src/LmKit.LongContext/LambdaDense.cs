using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

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
            if (encoding.Bias(distances.masked_fill(isFar, shape.Ceiling), scores.dtype) is { } bias)
                scores += SharedHeads.Join(bias, keyHeads);
        }
        scores = scores.masked_fill(SharedHeads.Repeat(allowed.logical_not(), sharing).unsqueeze(1), double.NegativeInfinity);
        var attended = SharedHeads.Split(einsum("bhlm,bhmp->bhlp", scores.softmax(-1), input.Values), heads);
        return (blind is null ? attended : attended.masked_fill(blind.unsqueeze(1), 0)).MoveToOuterDisposeScope();
    }

    private static Tensor Scores(Tensor q, Tensor k) =>
        einsum("bhlp,bhmp->bhlm", SharedHeads.Join(q, k.size(1)) * (1 / Math.Sqrt(q.size(3))), k);
}
