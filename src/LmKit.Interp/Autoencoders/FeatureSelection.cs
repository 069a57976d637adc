using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Which entries of a row or a batch are kept; among equal values the lower index wins.</summary>
internal static class FeatureSelection
{
    /// <summary>A mask of the k largest entries of each row.</summary>
    internal static Tensor Largest(Tensor values, long count)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (count >= values.size(-1))
            return ones_like(values, ScalarType.Bool).MoveToOuterDisposeScope();
        var (top, _) = values.topk((int)count, -1);
        var last = top.narrow(-1, count - 1, 1); // the k-th largest
        var above = values.gt(last);
        var equal = values.eq(last);
        var room = count - above.sum(-1, keepdim: true);
        var kept = above.logical_or(equal.logical_and(equal.cumsum(-1).le(room)));
        return kept.MoveToOuterDisposeScope();
    }

    /// <summary>A mask of the n largest entries of a whole batch.</summary>
    internal static Tensor LargestOfAll(Tensor values, long count)
    {
        if (count <= 0)
            return zeros_like(values, ScalarType.Bool);
        using var scope = NewDisposeScope();
        return Largest(values.detach().reshape(1, values.numel()), count).reshape(values.shape).MoveToOuterDisposeScope();
    }
}
