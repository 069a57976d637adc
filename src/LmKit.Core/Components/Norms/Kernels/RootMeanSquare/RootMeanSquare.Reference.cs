using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class RootMeanSquare
{
    /// <summary>The library's operations; half precision is normalised in float32 and rounded once.</summary>
    internal static Tensor Reference(Tensor x, Tensor weight, double epsilon)
    {
        using var scope = NewDisposeScope();
        var wide = HalfPrecision.Widen(x);
        var scale = wide.square().mean([-1], keepdim: true).add_(epsilon).rsqrt(); // (..., 1)
        return HalfPrecision.Narrow(wide * scale * weight, x.dtype).MoveToOuterDisposeScope();
    }
}
