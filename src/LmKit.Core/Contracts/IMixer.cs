using static TorchSharp.torch;

namespace LmKit;

/// <summary>A sequence mixer: the layer that moves information along the sequence.</summary>
/// <remarks>
/// <para><c>call(x, context)</c> maps x (B, L, D) to (B, L, D). A null context means whole, unpadded sequences. With
/// <see cref="SequenceContext.State"/> the call continues from that state and advances it, for any number of new tokens,
/// none included.</para>
/// <para>Laws, all checked by the conformance suite: however a sequence is cut, the joined outputs equal the whole (cut
/// law); two states do not disturb each other; rows are independent; a causal mixer's output at t ignores tokens after t;
/// documents packed in one row give what they give alone; padding changes no valid output and no carried state.
/// A mixer that cannot keep a law throws <see cref="NotSupportedException"/> naming itself and the law.</para>
/// <para>Calls that share a state must not overlap; calls with different states may run on different threads. The result
/// belongs to the caller's dispose scope.</para>
/// </remarks>
public interface IMixer : nn.IModule<Tensor, SequenceContext?, Tensor>
{
    /// <summary>Whether outputs ignore later tokens; only then can state be carried.</summary>
    bool IsCausal { get; }

    /// <summary>Makes the state of <paramref name="batch"/> rows at the start of a sequence; the caller disposes it.</summary>
    /// <exception cref="NotSupportedException">The mixer is not causal.</exception>
    MixerState NewState(long batch);
}
