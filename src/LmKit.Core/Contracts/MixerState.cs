using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a causal mixer carries from call to call.</summary>
/// <remarks>Owned and disposed by the caller; its tensors live outside every dispose scope and carry no gradient.
/// Not thread-safe: one call at a time.</remarks>
public abstract class MixerState : IDisposable
{
    /// <summary>Columns taken in so far, padding included; rows keep their own counts of valid tokens.</summary>
    public long Position { get; protected set; }

    /// <summary>All it holds, by name, owned by it: for saving and for measuring its size.</summary>
    public abstract IReadOnlyDictionary<string, Tensor> Tensors { get; }

    /// <summary>Copies the given rows, in the given order, repeats allowed, into a state of their own.</summary>
    /// <param name="rows">Row indices (B') int64: beams, batches that shrink; to roll back, fork first and go on with the fork.</param>
    public abstract MixerState Fork(Tensor rows);

    /// <summary>Replaces what it holds by copies of saved tensors.</summary>
    /// <param name="tensors">As <see cref="Tensors"/> gave them.</param>
    /// <param name="position">As <see cref="Position"/> gave it.</param>
    public abstract void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position);

    /// <summary>Frees all tensors.</summary>
    public abstract void Dispose();

    /// <summary>Stores a new value in a field of the state: detached from gradients and scopes, the old one disposed.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">The new value; its storage may be shared with the caller's tensor, which is never changed in place.</param>
    protected static void Keep(ref Tensor field, Tensor value)
    {
        var kept = value.detach().DetachFromDisposeScope();
        field?.Dispose();
        field = kept;
    }
}
