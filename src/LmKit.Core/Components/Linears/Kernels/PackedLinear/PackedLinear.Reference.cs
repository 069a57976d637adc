using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

public sealed partial class PackedLinear
{
    /// <summary>The library's product.</summary>
    internal static Tensor Reference(Tensor x, Tensor weight, Tensor? bias) => nn.functional.linear(x, weight, bias);
}
