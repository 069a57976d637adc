using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A depthwise causal convolution of a few taps with bias, x_t = b + sum over j of w_j u_(t-T+1+j).</summary>
internal sealed class ShortConvolution : nn.Module
{
    private readonly Parameter weight; // (E, 1, T)
    private readonly Parameter bias;   // (E)

    internal ShortConvolution(long channelCount, long tapCount, ParameterFactory factory)
        : base(nameof(ShortConvolution))
    {
        var bound = 1 / Math.Sqrt(tapCount);
        weight = factory.Uniform(-bound, bound, channelCount, 1, tapCount);
        bias = factory.Uniform(-bound, bound, channelCount);
        RegisterComponents();
    }

    internal ScalarType Dtype => weight.dtype;

    internal Device Device => weight.device;

    /// <summary>The outputs of the newest columns.</summary>
    /// <param name="history">(B, E, T - 1 + L).</param>
    /// <returns>(B, E, L).</returns>
    internal Tensor Apply(Tensor history) => nn.functional.conv1d(history, weight, bias, groups: weight.size(0));
}
