using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Evaluates an <see cref="Activation"/>.</summary>
internal static class ActivationFunction
{
    internal static Tensor Apply(this Activation activation, Tensor x) => activation switch
    {
        Activation.GeluTanh => nn.functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh, false),
        Activation.Gelu => nn.functional.gelu(x),
        Activation.Relu => nn.functional.relu(x),
        Activation.Silu => nn.functional.silu(x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation), activation, "unknown activation"),
    };
}
