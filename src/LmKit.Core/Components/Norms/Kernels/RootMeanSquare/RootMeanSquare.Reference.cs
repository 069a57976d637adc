using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

internal static partial class RootMeanSquare
{
    /// <summary>The library's operations; half precision is normalised in float32 and rounded once.</summary>
    internal static Tensor Reference(Tensor x, Tensor weight, double epsilon, bool roundsBeforeWeight = false)
    {
        using var scope = NewDisposeScope();
        var wide = HalfPrecision.Widen(x);
        var scale = wide.square().mean([-1], keepdim: true).add_(epsilon).rsqrt(); // (..., 1)
        var normed = wide * scale;
        return HalfPrecision.Narrow((roundsBeforeWeight ? HalfPrecision.Narrow(normed, x.dtype) : normed) * weight, x.dtype).MoveToOuterDisposeScope();
    }
}
