using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A block that is its mixer alone, or keeps to itself which way tokens see; it asks for no norm, feed-forward part or dropout.</summary>
internal sealed class BareBlock : nn.Module<Tensor, SequenceContext?, Tensor>, IBlock
{
    private readonly IMixer? mixer;
    private readonly bool isCausal;

    internal BareBlock(LayerContext layer)
        : base(nameof(BareBlock))
    {
        mixer = layer.Mixer();
        RegisterComponents();
    }

    internal BareBlock(LayerContext layer, bool isCausal)
        : base($"{nameof(BareBlock)}{layer.LayerIndex}") => this.isCausal = isCausal;

    public bool IsCausal => mixer?.IsCausal ?? isCausal;

    public MixerState NewState(long batch) => mixer?.NewState(batch) ?? throw new NotSupportedException();

    public override Tensor forward(Tensor x, SequenceContext? context) => mixer?.call(x, context) ?? x.alias();
}

/// <summary>An embedding that gives every token the same vector.</summary>
internal sealed class ConstantEmbedding : nn.Module<Tensor, SequenceContext?, Tensor>, IEmbedding
{
    private readonly long width;

    internal ConstantEmbedding(LayerContext layer)
        : base(nameof(ConstantEmbedding)) => width = layer.ModelDim;

    public Parameter? Table => null;

    public override Tensor forward(Tensor tokens, SequenceContext? context) => ones([.. tokens.shape, width], ScalarType.Float64);
}

/// <summary>A block that is not a module.</summary>
internal sealed class LooseBlock(IMixer mixer) : IBlock
{
    public bool IsCausal => mixer.IsCausal;

    public MixerState NewState(long batch) => mixer.NewState(batch);

    public Tensor call(Tensor x, SequenceContext? context) => mixer.call(x, context);
}

/// <summary>A linear that is not a module.</summary>
internal sealed class LooseLinear(ILinear inner) : ILinear
{
    public long InFeatures => inner.InFeatures;

    public long OutFeatures => inner.OutFeatures;

    public Tensor ToDense() => inner.ToDense();

    public Tensor call(Tensor x) => inner.call(x);
}
