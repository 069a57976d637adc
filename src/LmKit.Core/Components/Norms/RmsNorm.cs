using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Root-mean-square normalisation: x / sqrt(mean(x^2) + eps) * weight over the last axis.</summary>
/// <remarks>Half precision is normalised in float32 and rounded once: squares of 256 and more do not fit float16.</remarks>
public sealed class RmsNorm : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;
    private readonly double epsilon;

    /// <summary>Makes it for a model's width.</summary>
    public RmsNorm(RmsNormOptions options, LayerContext layer)
        : base(nameof(RmsNorm))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        epsilon = options.Epsilon;
        weight = layer.Parameters.Constant(1, layer.Width);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, weight.IsInvalid ? 0 : weight.size(0), nameof(RmsNorm));
        return RootMeanSquare.Apply(x, weight, epsilon);
    }
}
