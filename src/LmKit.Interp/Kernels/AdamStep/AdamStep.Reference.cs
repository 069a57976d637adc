using static TorchSharp.torch;

namespace LmKit;

internal sealed partial record AdamStep
{
    /// <summary>The step by the library's operations.</summary>
    internal void Reference(Tensor parameter, Tensor gradient, Tensor first, Tensor second, long count)
    {
        first.mul_(Beta1).add_(gradient, alpha: 1 - Beta1);
        second.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
        var scale = second.sqrt() / Math.Sqrt(1 - Math.Pow(Beta2, count)) + Epsilon;
        parameter.sub_(first / scale * (Rate / (1 - Math.Pow(Beta1, count))));
    }
}
