using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a block in a causal model: those of a causal mixer.</summary>
/// <remarks>Some laws add a constant to a token. A layer norm takes that away again, so give the block a norm that does not.</remarks>
public abstract class CausalBlockConformance : CausalMixerConformance
{
    /// <summary>Makes the block, always with the same parameters; the suite disposes it.</summary>
    protected abstract IBlock CreateBlock(ScalarType dtype);

    /// <summary>Makes the condition (1, C) of every call of a block that takes one; null, the default, for none.</summary>
    protected virtual Tensor? CreateCondition(ScalarType dtype) => null;

    /// <inheritdoc/>
    protected sealed override IMixer Create(ScalarType dtype) => new BlockMixer(CreateBlock(dtype), CreateCondition(dtype));
}

/// <summary>The laws of a block in a bidirectional model: those of a bidirectional mixer.</summary>
/// <inheritdoc cref="CausalBlockConformance"/>
public abstract class BidirectionalBlockConformance : BidirectionalMixerConformance
{
    /// <summary>Makes the block, always with the same parameters; the suite disposes it.</summary>
    protected abstract IBlock CreateBlock(ScalarType dtype);

    /// <summary>Makes the condition (1, C) of every call of a block that takes one; null, the default, for none.</summary>
    protected virtual Tensor? CreateCondition(ScalarType dtype) => null;

    /// <inheritdoc/>
    protected sealed override IMixer Create(ScalarType dtype) => new BlockMixer(CreateBlock(dtype), CreateCondition(dtype));
}

/// <summary>A block as the suite of mixers sees it.</summary>
internal sealed class BlockMixer : nn.Module<Tensor, SequenceContext?, Tensor>, IMixer
{
    private readonly IBlock block;
    private readonly Tensor? condition;

    internal BlockMixer(IBlock block, Tensor? condition)
        : base(nameof(BlockMixer))
    {
        this.block = block;
        this.condition = condition?.DetachFromDisposeScope();
        RegisterComponents();
    }

    public bool IsCausal => block.IsCausal;

    public MixerState NewState(long batch)
    {
        try
        {
            return block.NewState(batch);
        }
        catch (NotSupportedException error)
        {
            throw new NotSupportedException($"{nameof(BlockMixer)}: {error.Message}", error);
        }
    }

    public override Tensor forward(Tensor x, SequenceContext? context) =>
        block.call(x, condition is null ? context : (context ?? new SequenceContext()) with { Condition = condition });
}
