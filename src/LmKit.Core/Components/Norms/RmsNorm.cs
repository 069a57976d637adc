using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Root-mean-square normalisation over the last axis: x / sqrt(mean(x^2) + eps) * w, or * (1 + w) with a unit offset (Gemma).</summary>
/// <remarks>Half precision is normalised in float32, since squares of 256 and more do not fit float16, and rounded once: after the weight, or
/// before it where the options say so.</remarks>
public sealed class RmsNorm : nn.Module<Tensor, Tensor>, IParameterHints
{
    private readonly Parameter weight;
    private readonly double epsilon;
    private readonly bool hasUnitOffset;
    private readonly bool roundsBeforeWeight;

    /// <summary>Makes it for a model's width.</summary>
    public RmsNorm(RmsNormOptions options, LayerContext layer)
        : base(nameof(RmsNorm))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        epsilon = options.Epsilon;
        (hasUnitOffset, roundsBeforeWeight) = (options.HasUnitOffset, options.RoundsBeforeWeight);
        weight = layer.Parameters.Constant(hasUnitOffset ? 0 : 1, layer.Width);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public ParameterHint Hint(string parameterName) => new(IsVector: true);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        Shapes.CheckInput(x, weight, weight.IsInvalid ? 0 : weight.size(0), nameof(RmsNorm));
        if (!hasUnitOffset)
            return RootMeanSquare.Apply(x, weight, epsilon, roundsBeforeWeight);
        using var scope = NewDisposeScope();
        return RootMeanSquare.Apply(x, HalfPrecision.Widen(weight) + 1, epsilon, roundsBeforeWeight).MoveToOuterDisposeScope();
    }
}

/// <summary>Options of root-mean-square normalisation.</summary>
public sealed class RmsNormOptions
{
    /// <summary>Added to the mean square. Default 1e-5 (Llama-2; Llama-1 used 1e-6).</summary>
    [Range(0.0, 1.0)]
    [JsonPropertyName("rms_norm_eps")]
    public double Epsilon { get; set; } = 1e-5;

    /// <summary>Whether the factor is 1 + w with w from 0 (Gemma) instead of w from 1. Default false.</summary>
    public bool HasUnitOffset { get; set; }

    /// <summary>Whether half precision is rounded before the weight multiplies (Llama) instead of after it (Gemma, OLMo 2). Default false.
    /// Wider models compute the same either way.</summary>
    public bool RoundsBeforeWeight { get; set; }
}
