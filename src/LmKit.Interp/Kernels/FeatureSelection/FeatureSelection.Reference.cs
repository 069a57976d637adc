using static TorchSharp.torch;

namespace LmKit;

internal static partial class FeatureSelection
{
    /// <summary>The mask by the library's operations; count is below the width.</summary>
    internal static Tensor Reference(Tensor values, long count)
    {
        var (top, _) = values.topk((int)count, -1);
        var last = top.narrow(-1, count - 1, 1); // the k-th largest
        var above = values.gt(last);
        var equal = values.eq(last);
        var room = count - above.sum(-1, keepdim: true);
        return above.logical_or(equal.logical_and(equal.cumsum(-1).le(room)));
    }
}
