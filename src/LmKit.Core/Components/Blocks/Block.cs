using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>The sequential pre-norm layer: x + mixer(norm1(x)), then x + mlp(norm2(x)).</summary>
/// <remarks>Hook points: <c>resid_pre</c>, <c>mixer_out</c>, <c>resid_mid</c>, <c>mlp_out</c>, <c>resid_post</c>, all (B, L, D).</remarks>
public sealed class Block : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    [ComponentName(Name = "norm1")]
    private readonly nn.IModule<Tensor, Tensor> mixerNorm;
    private readonly IMixer mixer;
    [ComponentName(Name = "norm2")]
    private readonly nn.IModule<Tensor, Tensor> feedForwardNorm;
    [ComponentName(Name = "mlp")]
    private readonly nn.IModule<Tensor, Tensor> feedForward;
    private readonly Dropout dropout;
    private readonly HookPoint residualIn;
    private readonly HookPoint mixerOut;
    private readonly HookPoint residualMid;
    private readonly HookPoint feedForwardOut;
    private readonly HookPoint residualOut;

    /// <summary>Makes it for a layer.</summary>
    public Block(LayerContext layer)
        : base(nameof(Block))
    {
        ArgumentNullException.ThrowIfNull(layer);
        (residualIn, mixerOut, residualMid) = (layer.HookPoint("resid_pre"), layer.HookPoint("mixer_out"), layer.HookPoint("resid_mid"));
        (feedForwardOut, residualOut) = (layer.HookPoint("mlp_out"), layer.HookPoint("resid_post"));
        mixerNorm = layer.Norm("norm1");
        mixer = layer.Mixer();
        feedForwardNorm = layer.Norm("norm2");
        feedForward = layer.FeedForward();
        dropout = layer.Dropout(layer.Options.ResidualDropoutRate);
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
        x = residualIn.Pass(x);
        var mixed = mixerOut.Pass(dropout.call(mixer.call(mixerNorm.call(x), context)));
        x = residualMid.Pass(x + mixed);
        var fed = feedForwardOut.Pass(dropout.call(feedForward.call(feedForwardNorm.call(x))));
        return residualOut.Pass(x + fed).MoveToOuterDisposeScope();
    }
}

/// <summary>Core's layer layouts as components.</summary>
public static class BlockComponents
{
    /// <summary>The sequential pre-norm layer.</summary>
    public static readonly Kind<IBlock> Sequential = Slots.Block.Define("sequential", layer => new Block(layer));

    /// <summary>Gives layers the sequential pre-norm layout; the default.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="layers">The layers; null for all.</param>
    public static LanguageModelBuilder AddSequentialBlock(this LanguageModelBuilder builder, int[]? layers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder.Add(Sequential, layers);
    }
}
