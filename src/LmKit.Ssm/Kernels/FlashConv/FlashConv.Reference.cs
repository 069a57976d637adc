using static TorchSharp.torch;

namespace LmKit;

public static partial class FlashConv
{
    private static Tensor Reference(Tensor u, Tensor kernel) =>
        u.size(3) <= DirectConvolution.LongestServed ? DirectConvolution.Apply(u, kernel) : FftConvolution.Apply(u, kernel);
}
