using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Layer normalisation with a weight and no bias, epsilon 1e-5.</summary>
internal sealed class ScaleNorm : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;
    private readonly long[] width;

    internal ScaleNorm(long modelDim, ParameterFactory parameters)
        : base(nameof(ScaleNorm))
    {
        width = [modelDim];
        weight = parameters.Constant(1, modelDim);
        RegisterComponents();
    }

    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    public override Tensor forward(Tensor x) => nn.functional.layer_norm(x, width, weight, null, 1e-5);
}
