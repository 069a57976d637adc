using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The parallel layer: y = x + mixer(norm1(x)) + mlp(norm2(x)), where both norms read the same x (GPT-NeoX), or one norm serves
/// both parts (GPT-J).</summary>
/// <remarks>Hook points, all (B, L, D): <c>resid_pre</c> x, <c>mixer_out</c>, <c>resid_mid</c> x + mixer_out, <c>mlp_out</c>, <c>resid_post</c> y. The
/// feed-forward part reads x, so an edit at <c>mixer_out</c> or <c>resid_mid</c> reaches the output and not the feed-forward part.</remarks>
public sealed class ParallelBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    [ComponentName(Name = "norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixerNorm;
    private readonly IMixer mixer;
    [ComponentName(Name = "norm2")]
    private readonly nn.IModule<Tensor, Tensor>? feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    private readonly Dropout dropout;
    private readonly BlockPoints points;

    /// <summary>Makes it for a layer.</summary>
    public ParallelBlock(ParallelBlockOptions options, LayerContext layer)
        : base(nameof(ParallelBlock))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(layer);
        points = new BlockPoints(layer);
        mixerNorm = layer.Norm("norm1");
        mixer = layer.Mixer();
        feedForwardNorm = options.HasOneNorm ? null : layer.Norm("norm2");
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
        var middle = points.ResidualMid.Pass(x + mixed, context);
        var fed = points.FeedForwardOut.Pass(dropout.call(feedForward.call(feedForwardNorm?.call(x) ?? h)), context);
        return points.ResidualOut.Pass(middle + fed, context).MoveToOuterDisposeScope();
    }
}
