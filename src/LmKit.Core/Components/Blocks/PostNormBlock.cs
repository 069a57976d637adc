using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The post-norm layer, with a norm only after each part: x1 = x + post_norm1(mixer(x)), y = x1 + post_norm2(mlp(x1)) (OLMo 2).</summary>
/// <remarks>Hook points, all (B, L, D): <c>resid_pre</c> x, <c>mixer_out</c> and <c>mlp_out</c> after their norms, as they are added,
/// <c>resid_mid</c> x1, <c>resid_post</c> y.</remarks>
public sealed class PostNormBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    private readonly IMixer mixer;
    [ComponentName(Name = "post_norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixedNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    [ComponentName(Name = "post_norm2")]
    private readonly nn.IModule<Tensor, Tensor> fedNorm;
    private readonly Dropout dropout;
    private readonly BlockPoints points;

    /// <summary>Makes it for a layer.</summary>
    public PostNormBlock(LayerContext layer)
        : base(nameof(PostNormBlock))
    {
        ArgumentNullException.ThrowIfNull(layer);
        points = new BlockPoints(layer);
        mixer = layer.Mixer();
        mixedNorm = layer.Norm("post_norm1");
        feedForward = layer.FeedForward();
        fedNorm = layer.Norm("post_norm2");
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
        var mixed = points.MixerOut.Pass(dropout.call(mixedNorm.call(mixer.call(x, context))), context);
        x = points.ResidualMid.Pass(x + mixed, context);
        var fed = points.FeedForwardOut.Pass(dropout.call(fedNorm.call(feedForward.call(x))), context);
        return points.ResidualOut.Pass(x + fed, context).MoveToOuterDisposeScope();
    }
}
