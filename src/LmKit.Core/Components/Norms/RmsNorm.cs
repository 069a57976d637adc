using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
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

/// <summary>Options of root-mean-square normalisation.</summary>
public sealed class RmsNormOptions
{
    /// <summary>Added to the mean square. Default 1e-5 (Llama-2; Llama-1 used 1e-6).</summary>
    [Range(0.0, 1.0)]
    [JsonPropertyName("rms_norm_eps")]
    public double Epsilon { get; set; } = 1e-5;
}
