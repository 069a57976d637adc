using System.ComponentModel.DataAnnotations;
using System.Text.Json.Serialization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The two-layer feed-forward part: fc2(f(fc1(x))).</summary>
public sealed class Mlp : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "fc1")]
    private readonly ILinear expand;
    [ComponentName(Name = "fc2")]
    private readonly ILinear contract;
    private readonly Activation activation;

    /// <summary>Makes it for a layer.</summary>
    public Mlp(MlpOptions options, LayerContext layer)
        : base(nameof(Mlp))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        var width = options.MlpDim > 0 ? options.MlpDim : 4 * layer.ModelDim;
        expand = layer.Linear("fc1", layer.ModelDim, width, options.HasBias);
        contract = layer.Linear("fc2", width, layer.ModelDim, options.HasBias, isResidualOutput: true);
        activation = options.Activation;
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return contract.call(activation.Apply(expand.call(x))).MoveToOuterDisposeScope();
    }
}

/// <summary>Options of the two-layer feed-forward part.</summary>
public sealed class MlpOptions
{
    /// <summary>Inner width (d_inner); 0 stands for 4 d_model (GPT-2, H3), the default.</summary>
    [Range(0, int.MaxValue)]
    [JsonPropertyName("d_inner")]
    public long MlpDim { get; set; }

    /// <summary>The function between the two linears. Default GELU in its tanh form (GPT-2, H3).</summary>
    [JsonConverter(typeof(ActivationJsonConverter))]
    public Activation Activation { get; set; } = Activation.GeluTanh;

    /// <summary>Whether the linears have biases. Default true.</summary>
    public bool HasBias { get; set; } = true;
}
