using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A linear that starts as U(-1, 1) / sqrt(fan-in), weight and bias alike, or at zero.</summary>
internal sealed class UniformAffine : nn.Module<Tensor, Tensor>
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    internal UniformAffine(long inFeatures, long outFeatures, ParameterFactory parameters, bool hasBias = true, bool isZero = false)
        : base(nameof(UniformAffine))
    {
        var bound = isZero ? 0 : 1 / Math.Sqrt(inFeatures);
        weight = Draw(outFeatures, inFeatures);
        bias = hasBias ? Draw(outFeatures) : null;
        RegisterComponents();

        Parameter Draw(params long[] shape) => isZero ? parameters.Constant(0, shape) : parameters.Uniform(-bound, bound, shape);
    }

    internal Device Device => weight.device;

    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, weight.IsInvalid ? 0 : weight.size(1), nameof(DiffusionTransformer));
        return nn.functional.linear(x, weight, bias);
    }
}
