using static TorchSharp.torch;

namespace LmKit.Core.Tests;

internal static class TensorComparison
{
    /// <summary>Equal in type, shape and every bit.</summary>
    internal static bool IsSame(this Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        return a.dtype == b.dtype && a.shape.SequenceEqual(b.shape)
            && (a.numel() == 0 || a.detach().contiguous().bytes.SequenceEqual(b.detach().contiguous().bytes));
    }
}
