using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One pre-norm layer: x + mixer(norm1(x)), then x + mlp(norm2(x)).</summary>
public sealed class Block : nn.Module<Tensor, SequenceContext?, Tensor>
{
    [ComponentName(Name = "norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixerNorm;
    private readonly IMixer mixer;
    [ComponentName(Name = "norm2")]
    private readonly nn.IModule<Tensor, Tensor> feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    private readonly Dropout dropout;

    internal Block(LayerContext layer, ModelPlan plan)
        : base(nameof(Block))
    {
        mixerNorm = plan.CreateNorm(layer.Within("norm1"));
        mixer = plan.CreateMixer(layer.Within("mixer"));
        feedForwardNorm = plan.CreateNorm(layer.Within("norm2"));
        feedForward = plan.CreateFeedForward(layer.Within("mlp"));
        dropout = layer.Dropout(plan.Options.ResidualDropoutRate);
        HookPoint Point(string name) => new($"{layer.Path}.{name}");
        HookPoints = [Point("resid_pre"), Point("mixer_out"), Point("resid_mid"), Point("mlp_out"), Point("resid_post"), .. layer.HookPoints];
        foreach (var part in (object[])[mixerNorm, mixer, feedForwardNorm, feedForward])
        {
            if (part is not nn.Module)
                throw new ArgumentException($"{part.GetType().Name} in {layer.Path} must derive from torch.nn.Module, so that its parameters are found.");
        }
        RegisterComponents();
    }

    internal IMixer Mixing => mixer;

    // The block's own five, then those of its parts.
    internal IReadOnlyList<HookPoint> HookPoints { get; }

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        using var scope = NewDisposeScope();
        x = HookPoints[0].Pass(x);
        var mixed = HookPoints[1].Pass(dropout.call(mixer.call(mixerNorm.call(x), context)));
        x = HookPoints[2].Pass(x + mixed);
        var fed = HookPoints[3].Pass(dropout.call(feedForward.call(feedForwardNorm.call(x))));
        return HookPoints[4].Pass(x + fed).MoveToOuterDisposeScope();
    }
}
