using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A gated linear unit: W = (V, U) stacked, x to (V x) . sigmoid(U x).</summary>
internal sealed class GatedOutput : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")]
    private readonly ILinear linear;

    internal GatedOutput(LayerContext layer)
        : base(nameof(GatedOutput))
    {
        linear = layer.Linear("0", layer.ModelDim, 2 * layer.ModelDim, isResidualOutput: true);
        RegisterComponents();
    }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var halves = linear.call(x).chunk(2, -1);
        return (halves[0] * halves[1].sigmoid()).MoveToOuterDisposeScope();
    }
}
