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
