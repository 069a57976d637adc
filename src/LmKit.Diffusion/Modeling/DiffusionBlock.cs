using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The layer of a diffusion transformer (DiT, adaLN-Zero): x1 = x + g1 dropout(mixer(norm1(x) (1 + sc1) + sh1)),
/// y = x1 + g2 dropout(mlp(norm2(x1) (1 + sc2) + sh2)).</summary>
/// <remarks>Shift, scale and gate are linear in the model's condition, in the order sh1, sc1, g1, sh2, sc2, g2, and start at zero, so that a new
/// block is the identity. Hook points, all (B, L, D): <c>resid_pre</c> x, <c>mixer_out</c> and <c>mlp_out</c> with their gates, as they are
/// added, <c>resid_mid</c> x1, <c>resid_post</c> y.</remarks>
public sealed class DiffusionBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    [ComponentName(Name = "norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixerNorm;
    private readonly IMixer mixer;
    [ComponentName(Name = "norm2")]
    private readonly nn.IModule<Tensor, Tensor> feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    [ComponentName(Name = ModulatedLayerNorm.Modulation)]
    private readonly ILinear modulation;
    private readonly Dropout dropout;
    private readonly BlockPoints points;
    private readonly long modelDim;

    /// <summary>Makes it for a layer.</summary>
    /// <exception cref="ArgumentException">The model has no conditioning.</exception>
    public DiffusionBlock(LayerContext layer)
        : base(nameof(DiffusionBlock))
    {
        ArgumentNullException.ThrowIfNull(layer);
        var conditionDim = layer.TakeCondition();
        modelDim = layer.ModelDim;
        points = new BlockPoints(layer);
        mixerNorm = layer.Norm("norm1");
        mixer = layer.Mixer();
        feedForwardNorm = layer.Norm("norm2");
        feedForward = layer.FeedForward();
        modulation = layer.Linear(ModulatedLayerNorm.Modulation, conditionDim, 6 * layer.ModelDim, startsAtZero: true);
        dropout = layer.ResidualDropout();
        RegisterComponents();
    }

    /// <inheritdoc/>
    public bool IsCausal => mixer.IsCausal;

    /// <inheritdoc/>
    public MixerState NewState(long batch) => mixer.NewState(batch);

    /// <inheritdoc/>
    public override Tensor forward(Tensor x, SequenceContext? context)
    {
        Shapes.CheckSequence(x, modelDim, nameof(DiffusionBlock));
        var condition = context?.Condition
            ?? throw new ArgumentException($"{nameof(DiffusionBlock)} is handed a {nameof(SequenceContext.Condition)} (B, C), which its model makes of the level; got none.", nameof(context));
        using var scope = NewDisposeScope();
        var parts = modulation.call(condition).unsqueeze(1).chunk(6, -1); // each (B or 1, 1, D)
        x = points.ResidualIn.Pass(x, context);
        var mixed = mixer.call(ModulatedLayerNorm.Modulate(mixerNorm.call(x), parts[0], parts[1]), context);
        x = points.ResidualMid.Pass(x + points.MixerOut.Pass(parts[2] * dropout.call(mixed), context), context);
        var fed = feedForward.call(ModulatedLayerNorm.Modulate(feedForwardNorm.call(x), parts[3], parts[4]));
        return points.ResidualOut.Pass(x + points.FeedForwardOut.Pass(parts[5] * dropout.call(fed), context), context).MoveToOuterDisposeScope();
    }
}
