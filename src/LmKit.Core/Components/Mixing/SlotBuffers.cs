using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What a cache holds for each of its slots: tensors (B, Hkv, capacity, X), X the width of each, that forks share until one of
/// them writes.</summary>
/// <remarks>One object belongs to one state. Those that share may be on threads of their own: what is shared is only read, and who is left
/// alone with it writes in place.</remarks>
internal sealed class SlotBuffers : IDisposable
{
    private Holding holding;
    private bool isDisposed;

    /// <summary>Takes tensors of one capacity over.</summary>
    internal SlotBuffers(params Tensor[] tensors)
        : this(new Holding([.. tensors.Select(tensor => tensor.DetachFromDisposeScope())]))
    {
    }

    private SlotBuffers(Holding holding) => this.holding = holding;

    /// <summary>One of the tensors, for reading.</summary>
    internal Tensor this[int index] => holding.Tensors[index];

    /// <summary>How many tensors there are.</summary>
    internal int Count => holding.Tensors.Length;

    /// <summary>Slots that there is memory for.</summary>
    internal long Capacity => holding.Tensors[0].size(2);

    /// <summary>Whether the memory is gone.</summary>
    internal bool IsInvalid => isDisposed;

    /// <summary>The slots in use of one tensor, a view in the caller's scope.</summary>
    internal Tensor Held(int index, long used) => this[index].narrow(2, 0, used);

    /// <summary>Makes the memory this object's own, with room for more slots.</summary>
    /// <param name="used">Slots in use, which are kept.</param>
    /// <param name="length">Slots that will be written behind them.</param>
    internal void Reserve(long used, long length)
    {
        var needed = used + length;
        if (needed <= Capacity && holding.IsAlone)
            return;
        var capacity = needed <= Capacity ? Capacity : Math.Max(needed, Math.Min(2 * needed, needed + 4096));
        Replace(Each(buffer => Grown(buffer, used, capacity)));
    }

    /// <summary>Keeps some slots of each row.</summary>
    /// <param name="slots">Their numbers (B or 1, width) int64.</param>
    internal void Select(Tensor slots)
    {
        using var scope = NewDisposeScope();
        var index = slots.to(this[0].device).unsqueeze(1).unsqueeze(-1); // (B or 1, 1, width, 1)
        var width = slots.size(1);
        Replace(Each(buffer => buffer.gather(2, index.expand(buffer.size(0), buffer.size(1), width, buffer.size(3))).DetachFromDisposeScope()));
    }

    /// <summary>Puts other tensors in the place of these.</summary>
    internal void Replace(Tensor[] tensors)
    {
        holding.Release();
        holding = new Holding([.. tensors.Select(tensor => tensor.DetachFromDisposeScope())]);
    }

    /// <summary>The same memory, for a fork.</summary>
    internal SlotBuffers Share() => new(holding.Share());

    /// <summary>A copy of some rows.</summary>
    /// <param name="used">Slots in use.</param>
    /// <param name="rows">Rows (B') int64.</param>
    internal SlotBuffers Copy(long used, Tensor rows)
    {
        using var scope = NewDisposeScope();
        var index = rows.to(this[0].device);
        return new SlotBuffers(Each(buffer => buffer.narrow(2, 0, used).index_select(0, index).DetachFromDisposeScope()));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!isDisposed)
            holding.Release();
        isDisposed = true;
    }

    private Tensor[] Each(Func<Tensor, Tensor> make)
    {
        var made = new List<Tensor>();
        try
        {
            foreach (var tensor in holding.Tensors)
                made.Add(make(tensor));
            return [.. made];
        }
        catch
        {
            made.ForEach(tensor => tensor.Dispose()); // memory for some but not for all
            throw;
        }
    }

    private static Tensor Grown(Tensor buffer, long used, long capacity)
    {
        var shape = buffer.shape;
        shape[2] = capacity;
        var grown = empty(shape, buffer.dtype, buffer.device).DetachFromDisposeScope();
        using var target = grown.narrow(2, 0, used);
        using var source = buffer.narrow(2, 0, used);
        target.copy_(source).Dispose();
        return grown;
    }

    // Tensors and the number of those that hold them; the last one to let go frees them.
    private sealed class Holding(Tensor[] tensors)
    {
        private int holders = 1;

        internal Tensor[] Tensors { get; } = tensors;

        internal bool IsAlone => Volatile.Read(ref holders) == 1;

        internal Holding Share()
        {
            _ = Interlocked.Increment(ref holders);
            return this;
        }

        internal void Release()
        {
            if (Interlocked.Decrement(ref holders) > 0)
                return;
            foreach (var tensor in Tensors)
                tensor.Dispose();
        }
    }
}
