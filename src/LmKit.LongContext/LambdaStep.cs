using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One new token of a uniform batch: constant work per token.</summary>
/// <remarks>A relative encoding sees positions only through distances, so a starting token that left the window is simply put at
/// position p - D; then one encoding and one softmax serve all keys.</remarks>
internal static class LambdaStep
{
    internal static Tensor Attend(AttentionInput input, LambdaShape shape, HeldKeys held, long position)
    {
        using var scope = NewDisposeScope();
        var (queries, keys, values) = (input.Queries, input.Keys, input.Values);
        var near = held.CountBefore(position - shape.Window + 1);
        var far = Math.Min(near, held.CountBefore(shape.Starts));
        var window = held.CountBefore(position + 1) - near;
        if (far < near || near + window < held.Count)
            (keys, values) = (Kept(keys), Kept(values));
        Tensor? bias = null;
        if (input.Encoding is { } encoding)
        {
            var shown = new long[far + window];
            for (var index = 0; index < shown.Length; index++)
                shown[index] = index < far ? position - shape.Ceiling : held[near + index - far];
            var keyPositions = tensor(shown, [1, shown.Length], device: queries.device); // (1, M)
            var queryPosition = input.QueryPositions.narrow(0, 0, 1); // (1, 1)
            queries = encoding.EncodeQueries(queries, queryPosition);
            keys = encoding.EncodeKeys(keys, keyPositions);
            bias = encoding.Bias(queryPosition.unsqueeze(-1) - keyPositions.unsqueeze(-2), queries.dtype); // (1, H, 1, M)
        }
        var keyHeads = keys.size(1);
        var attended = nn.functional.scaled_dot_product_attention(
            SharedHeads.Join(queries, keyHeads),
            keys,
            values,
            bias is null ? null : SharedHeads.Join(bias, keyHeads));
        return SharedHeads.Split(attended, queries.size(1)).MoveToOuterDisposeScope();

        Tensor Kept(Tensor all) => far == 0
            ? all.narrow(2, near, window)
            : cat([all.narrow(2, 0, far), all.narrow(2, near, window)], 2);
    }
}
