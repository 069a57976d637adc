using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Layer normalisation: (x - mean) / sqrt(var + eps) * weight + bias over the last axis.</summary>
public sealed class LayerNorm : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;
    private readonly Parameter? bias;
    private readonly double epsilon;
    private readonly long[] width;

    /// <summary>Makes it for a model's width.</summary>
    public LayerNorm(LayerNormOptions options, LayerContext layer)
        : base(nameof(LayerNorm))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        width = [layer.Width];
        epsilon = options.Epsilon;
        weight = layer.Parameters.Constant(1, layer.Width);
        bias = options.HasBias ? layer.Parameters.Constant(0, layer.Width) : null;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, width[0], nameof(LayerNorm));
        return nn.functional.layer_norm(x, width, weight, bias, epsilon);
    }
}
