using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The sequential pre-norm layer: x1 = x + mixer(norm1(x)), y = x1 + mlp(norm2(x1)) (GPT-2, Llama).</summary>
/// <remarks>BLOOM's option takes the residual after the norm: with h = norm1(x), x1 = h + mixer(h); with g = norm2(x1), y = g + mlp(g). Each norm is
/// computed once. Hook points, all (B, L, D): <c>resid_pre</c> x, <c>mixer_out</c>, <c>resid_mid</c> x1, <c>mlp_out</c>, <c>resid_post</c> y.</remarks>
public sealed class SequentialBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    [ComponentName(Name = "norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixerNorm;
    private readonly IMixer mixer;
    [ComponentName(Name = "norm2")]
    private readonly nn.IModule<Tensor, Tensor> feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    private readonly Dropout dropout;
    private readonly BlockPoints points;
    private readonly bool isResidualAfterNorm;

    /// <summary>Makes it for a layer.</summary>
    public SequentialBlock(SequentialBlockOptions options, LayerContext layer)
        : base(nameof(SequentialBlock))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        isResidualAfterNorm = options.IsResidualAfterNorm;
        points = new BlockPoints(layer);
        mixerNorm = layer.Norm("norm1");
        mixer = layer.Mixer();
        feedForwardNorm = layer.Norm("norm2");
        feedForward = layer.FeedForward();
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
        using var scope = NewDisposeScope();
        x = points.ResidualIn.Pass(x, context);
        var h = mixerNorm.call(x);
        var mixed = points.MixerOut.Pass(dropout.call(mixer.call(h, context)), context);
        x = points.ResidualMid.Pass((isResidualAfterNorm ? h : x) + mixed, context);
        h = feedForwardNorm.call(x);
        var fed = points.FeedForwardOut.Pass(dropout.call(feedForward.call(h)), context);
        return points.ResidualOut.Pass((isResidualAfterNorm ? h : x) + fed, context).MoveToOuterDisposeScope();
    }
}

/// <summary>The hook points of a block, in the order in which a call passes them.</summary>
internal sealed class BlockPoints(LayerContext layer)
{
    /// <summary>The block's input.</summary>
    internal HookPoint ResidualIn { get; } = layer.HookPoint("resid_pre");

    /// <summary>What the mixer adds to the residual.</summary>
    internal HookPoint MixerOut { get; } = layer.HookPoint("mixer_out");

    /// <summary>The residual after the mixer.</summary>
    internal HookPoint ResidualMid { get; } = layer.HookPoint("resid_mid");

    /// <summary>What the feed-forward part adds to the residual.</summary>
    internal HookPoint FeedForwardOut { get; } = layer.HookPoint("mlp_out");

    /// <summary>The block's output.</summary>
    internal HookPoint ResidualOut { get; } = layer.HookPoint("resid_post");
}
