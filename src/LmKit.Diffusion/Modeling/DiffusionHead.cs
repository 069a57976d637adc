using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The last step: logits = W (LN(x) (1 + sc) + sh) + b; modulation, weight and bias start at zero.</summary>
internal sealed class DiffusionHead : nn.Module
{
    [ComponentName(Name = "norm_final")]
    private readonly ScaleNorm norm;
    private readonly UniformAffine linear;
    [ComponentName(Name = "adaLN_modulation")]
    private readonly UniformAffine modulation;

    internal DiffusionHead(DiffusionTransformerOptions options, ParameterFactory parameters)
        : base(nameof(DiffusionHead))
    {
        norm = new ScaleNorm(options.ModelDim, parameters);
        linear = new UniformAffine(options.ModelDim, options.VocabSize, parameters, isZero: true);
        modulation = new UniformAffine(options.ConditionDim, 2 * options.ModelDim, parameters, isZero: true);
        RegisterComponents();
    }

    internal Tensor Normalize(Tensor x, Tensor condition)
    {
        using var scope = NewDisposeScope();
        var parts = modulation.call(condition).unsqueeze(1).chunk(2, -1);
        return DiffusionBlock.Modulate(norm.call(x), parts[0], parts[1]).MoveToOuterDisposeScope();
    }

    internal Tensor Logits(Tensor hidden) => linear.call(hidden);
}
