using static TorchSharp.torch;

namespace LmKit;

/// <summary>A layer: (B, L, D) to (B, L, D), with its norms, its mixer and its feed-forward part.</summary>
/// <remarks>The laws are those of <see cref="IMixer"/>: a call may be cut anywhere when the state is carried, and neither padding nor
/// another document changes an output. A block derives from <c>torch.nn.Module</c>, so that its parameters are found.</remarks>
public interface IBlock : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>Whether no token sees a later one, so that state can be carried.</summary>
    bool IsCausal { get; }

    /// <summary>Makes the state for <paramref name="batch"/> rows at the start of a sequence; the caller disposes it.</summary>
    /// <exception cref="NotSupportedException">The block is not causal.</exception>
    MixerState NewState(long batch);
}
