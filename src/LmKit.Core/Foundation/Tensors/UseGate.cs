using static TorchSharp.torch;

namespace LmKit;

/// <summary>Lets the calls of a module run side by side, and its disposal wait until they are over.</summary>
/// <remarks>For modules whose memory native code reads: to free it under a running call would end the process. A thread that is inside
/// may enter again. Thread-safe.</remarks>
internal sealed class UseGate
{
    [ThreadStatic]
    private static Visit? visits; // the gates that this thread is inside of, the newest first

    private readonly object sync = new();
    private readonly string owner;
    private int running;
    private bool isHeld; // by a change that wants to be alone
    private bool isClosed;
    private bool isFreed;
    private Action? atTheEnd;

    /// <summary>Makes an open gate.</summary>
    /// <param name="owner">The name that <see cref="ObjectDisposedException"/> gives.</param>
    internal UseGate(string owner) => this.owner = owner;

    /// <summary>Enters the gate of a module, where it has one; other modules are not guarded.</summary>
    /// <exception cref="ObjectDisposedException">The module is disposed.</exception>
    internal static UseLease Enter(nn.Module module) => module is IUseGated gated ? gated.Gate.Enter() : default;

    /// <summary>Keeps the owner alive until the lease is disposed, on this thread.</summary>
    /// <exception cref="ObjectDisposedException">The owner is disposed.</exception>
    internal UseLease Enter()
    {
        if (IsInside)
            return default;
        lock (sync)
        {
            while (isHeld && !isClosed)
                _ = Monitor.Wait(sync);
            ThrowIfClosed();
            running++;
        }
        visits = new Visit(this, visits);
        return new UseLease(this);
    }

    /// <summary>Runs a change while no call runs; calls that come meanwhile wait for it.</summary>
    /// <param name="change">The change, such as a move to another device.</param>
    /// <exception cref="InvalidOperationException">This thread is inside a call of the owner.</exception>
    /// <exception cref="ObjectDisposedException">The owner is disposed.</exception>
    internal void Alone(Action change)
    {
        ArgumentNullException.ThrowIfNull(change);
        if (IsInside)
            throw new InvalidOperationException($"The {owner} cannot be changed from within a call of it; change it after the call.");
        lock (sync)
        {
            while (isHeld && !isClosed)
                _ = Monitor.Wait(sync);
            ThrowIfClosed();
            isHeld = true;
            while (running > 0)
                _ = Monitor.Wait(sync);
            running++;
        }
        visits = new Visit(this, visits);
        try
        {
            change();
        }
        finally
        {
            lock (sync)
                isHeld = false;
            Leave();
        }
    }

    /// <summary>Refuses further calls, waits for the running ones and frees; later calls of this wait for that and do nothing.</summary>
    /// <param name="free">Frees what the owner holds. Within a call of the owner, on the same thread, it runs when the last call ends.</param>
    internal void Close(Action free)
    {
        ArgumentNullException.ThrowIfNull(free);
        lock (sync)
        {
            if (isClosed)
            {
                while (!isFreed && !IsInside)
                    _ = Monitor.Wait(sync);
                return;
            }
            isClosed = true;
            Monitor.PulseAll(sync);
            if (IsInside)
            {
                atTheEnd = free;
                return;
            }
            while (running > 0)
                _ = Monitor.Wait(sync);
        }
        Free(free);
    }

    internal void Leave()
    {
        Action? last = null;
        lock (sync)
        {
            running--;
            if (running == 0)
            {
                (last, atTheEnd) = (atTheEnd, null);
                Monitor.PulseAll(sync);
            }
        }
        visits = visits!.Without(this);
        if (last is not null)
            Free(last);
    }

    private bool IsInside
    {
        get
        {
            for (var visit = visits; visit is not null; visit = visit.Outer)
            {
                if (visit.Gate == this)
                    return true;
            }
            return false;
        }
    }

    private void ThrowIfClosed()
    {
        if (isClosed)
            throw new ObjectDisposedException(owner, $"The {owner} is disposed; make or load another.");
    }

    private void Free(Action free)
    {
        try
        {
            free();
        }
        finally
        {
            lock (sync)
            {
                isFreed = true;
                Monitor.PulseAll(sync);
            }
        }
    }

    private sealed record Visit(UseGate Gate, Visit? Outer)
    {
        internal Visit? Without(UseGate gate) => Gate == gate ? Outer : new Visit(Gate, Outer?.Without(gate));
    }
}

/// <summary>A visit behind a <see cref="UseGate"/>; ends when it is disposed.</summary>
internal readonly ref struct UseLease
{
    private readonly UseGate? gate;

    internal UseLease(UseGate gate) => this.gate = gate;

    /// <summary>Ends the visit.</summary>
    internal void Dispose() => gate?.Leave();
}

/// <summary>A module whose disposal waits for its running calls.</summary>
internal interface IUseGated
{
    /// <summary>The gate that its calls pass.</summary>
    UseGate Gate { get; }
}
