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

/// <summary>The one-argument form of a mixer's call.</summary>
public static class MixerCalls
{
    /// <summary>Mixes whole, unpadded sequences: <c>call(x, null)</c>.</summary>
    /// <param name="mixer">The mixer.</param>
    /// <param name="x">(B, L, D).</param>
    public static Tensor call(this IMixer mixer, Tensor x)
    {
        ArgumentNullException.ThrowIfNull(mixer);
        return mixer.call(x, null);
    }
}

/// <summary>What a mixer may know beside its input: the carried state and the documents of a packed or padded batch.</summary>
/// <param name="State">Advanced in place by the call; null means the start of a sequence and nothing to carry.</param>
/// <param name="Segments">Document ids (B, L) int64, -1 for padding; ids differ between the documents of a row and mean the
/// same in every call that shares a state. Null continues each row's last document (document 0 at the start).</param>
/// <remarks>Padding may stand anywhere; it neither reads nor changes state, and its outputs are finite but unspecified.</remarks>
public sealed record SequenceContext(MixerState? State = null, Tensor? Segments = null)
{
    /// <summary>Noise levels (B), or (1) for all rows, floating: what a model with a conditioning is told, and no other model.</summary>
    public Tensor? Level { get; init; }

    /// <summary>The condition (B, C), or (1, C) for all rows, that the model's conditioning made of <see cref="Level"/>: what its blocks are
    /// handed. A caller of a whole model leaves it out.</summary>
    public Tensor? Condition { get; init; }

    /// <summary>Edits at hook points, each of one row of the batch; null for none.</summary>
    public HookEdits? Edits { get; init; }
}
