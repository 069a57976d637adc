using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a block in a causal model: those of a causal mixer.</summary>
/// <remarks>Some laws add a constant to a token. A layer norm takes that away again, so give the block a norm that does not.</remarks>
public abstract class CausalBlockConformance : CausalMixerConformance
{
    /// <summary>Makes the block, always with the same parameters; the suite disposes it.</summary>
    protected abstract IBlock CreateBlock(ScalarType dtype);

    /// <inheritdoc/>
    protected sealed override IMixer Create(ScalarType dtype) => new BlockMixer(CreateBlock(dtype));
}

/// <summary>A block as the suite of mixers sees it.</summary>
internal sealed class BlockMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
{
    private readonly IBlock block;

    internal BlockMixer(IBlock block)
        : base(nameof(BlockMixer))
    {
        this.block = block;
        RegisterComponents();
    }

    public bool IsCausal => block.IsCausal;

    public MixerState NewState(long batch) => block.NewState(batch);

    public override Tensor forward(Tensor x, SequenceContext? context) => block.call(x, context);
}
