using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
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

/// <summary>Options of layer normalisation.</summary>
public sealed class LayerNormOptions
{
    /// <summary>Added to the variance. Default 1e-5 (GPT-2, H3).</summary>
    [Range(0.0, 1.0)]
    [JsonPropertyName("layer_norm_epsilon")]
    public double Epsilon { get; set; } = 1e-5;

    /// <summary>Whether it has a bias. Default true.</summary>
    public bool HasBias { get; set; } = true;
}
