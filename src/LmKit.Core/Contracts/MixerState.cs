using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a causal mixer carries from call to call.</summary>
/// <remarks>Owned and disposed by the caller; its tensors live outside every dispose scope and carry no gradient.
/// Not thread-safe: one call at a time. A state and its forks may be on threads of their own.</remarks>
public abstract class MixerState : IDisposable
{
    /// <summary>Columns taken in so far, padding included; rows keep their own counts of valid tokens.</summary>
    public long Position { get; protected set; }

    /// <summary>All it holds, by name, owned by it: for saving and for measuring its size.</summary>
    public abstract IReadOnlyDictionary<string, Tensor> Tensors { get; }

    /// <summary>Whether <see cref="Rollback"/> can take columns back. False by default: what a recurrence holds is a sum over all that it
    /// read, from which no token can be taken out again; fork such a state before a draft.</summary>
    public virtual bool CanRollBack => false;

    /// <summary>How many of the last columns <see cref="Rollback"/> can take back now, padding included.</summary>
    public virtual long RollbackRoom => 0;

    /// <summary>Keeps from now on what it takes to roll back so many columns, where it would be dropped; a state that drops nothing can go back
    /// to its start without. What was dropped before stays dropped, so <see cref="RollbackRoom"/> tells what can be taken back.</summary>
    /// <param name="columns">Columns R; 0, at first, for none. Forks have the same.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    /// <exception cref="NotSupportedException">The state cannot be rolled back (<see cref="CanRollBack"/>), and R is not 0.</exception>
    public void ReserveRollback(long columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if (CanRollBack)
            Reserve(columns);
        else if (columns > 0)
            throw Refusal();
    }

    /// <summary>Takes the last columns back, in all rows alike and padding included: the state is then as it was before them, and going on
    /// gives what it would have given without them.</summary>
    /// <param name="columns">Columns r, at most <see cref="RollbackRoom"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is negative, or more than <see cref="RollbackRoom"/>; nothing has changed.</exception>
    /// <exception cref="NotSupportedException">The state cannot be rolled back (<see cref="CanRollBack"/>), and r is not 0.</exception>
    public void Rollback(long columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if (columns == 0)
            return;
        if (!CanRollBack)
            throw Refusal();
        if (columns > RollbackRoom)
            throw new ArgumentOutOfRangeException(nameof(columns), columns, $"{columns} columns cannot be rolled back; this state can take back {RollbackRoom} of the {Position} that it read ({nameof(RollbackRoom)}). {nameof(ReserveRollback)}, called before they are read, keeps room for more.");
        Drop(columns);
        Position -= columns;
    }

    /// <summary>Copies the given rows, in the given order, repeats allowed, into a state of their own. A fork of the same rows may share
    /// memory with its origin until one of the two writes.</summary>
    /// <param name="rows">Row indices (B') int64: beams, batches that shrink, or the same rows to try a continuation with.</param>
    public abstract MixerState Fork(Tensor rows);

    /// <summary>Replaces what it holds by copies of saved tensors.</summary>
    /// <param name="tensors">As <see cref="Tensors"/> gave them.</param>
    /// <param name="position">As <see cref="Position"/> gave it.</param>
    public abstract void Restore(IReadOnlyDictionary<string, Tensor> tensors, long position);

    /// <summary>Frees all tensors.</summary>
    public abstract void Dispose();

    /// <summary>Takes columns back, from 1 to <see cref="RollbackRoom"/> of them; <see cref="Position"/> is moved by the caller. A state of
    /// which <see cref="CanRollBack"/> is true overrides it.</summary>
    /// <param name="columns">Columns r.</param>
    protected virtual void Drop(long columns) => throw Refusal();

    /// <summary>Keeps room for a rollback (<see cref="ReserveRollback"/>); does nothing by default, as suits a state that drops nothing.</summary>
    /// <param name="columns">Columns R, 0 or more.</param>
    protected virtual void Reserve(long columns)
    {
    }

    /// <summary>Stores a new value in a field of the state: detached from gradients and scopes, the old one disposed.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">The new value; its storage may be shared with the caller's tensor, which is never changed in place.</param>
    protected static void Keep(ref Tensor field, Tensor value)
    {
        var kept = value.detach().DetachFromDisposeScope();
        field?.Dispose();
        field = kept;
    }

    /// <summary>Why it cannot be rolled back; names what stands in the way.</summary>
    private protected virtual NotSupportedException Refusal() =>
        new($"A {GetType().Name} cannot be rolled back: it holds no token by itself. Fork the state before a draft, and go on from the fork.");
}
