using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The gated feed-forward part: down(f(gate(x)) * up(x)).</summary>
public sealed class GatedMlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "gate_proj")]
    private readonly ILinear gate;
    [ComponentName(Name = "up_proj")]
    private readonly ILinear up;
    [ComponentName(Name = "down_proj")]
    private readonly ILinear down;
    private readonly Activation activation;

    /// <summary>Makes it for a layer.</summary>
    public GatedMlp(GatedMlpOptions options, LayerContext layer)
        : base(nameof(GatedMlp))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        var width = options.MlpDim > 0 ? options.MlpDim : (8 * layer.ModelDim / 3 + 7) / 8 * 8;
        gate = layer.Linear("gate_proj", layer.ModelDim, width, options.HasBias);
        up = layer.Linear("up_proj", layer.ModelDim, width, options.HasBias);
        down = layer.Linear("down_proj", width, layer.ModelDim, options.HasBias, isResidualOutput: true);
        activation = options.Activation;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return down.call(activation.Apply(gate.call(x)) * up.call(x)).MoveToOuterDisposeScope();
    }
}

/// <summary>Options of the gated feed-forward part.</summary>
public sealed class GatedMlpOptions
{
    /// <summary>Inner width (intermediate_size); 0 stands for 8/3 d_model rounded up to a multiple of 8 (Llama's rule), the default.</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("intermediate_size")]
    public long MlpDim { get; set; }

    /// <summary>The gate's function. Default SiLU (Llama).</summary>
    [JsonConverter(typeof(ActivationJsonConverter))]
    public Activation Activation { get; set; } = Activation.Silu;

    /// <summary>Whether the linears have biases. Default false (Llama).</summary>
    public bool HasBias { get; set; }
}
