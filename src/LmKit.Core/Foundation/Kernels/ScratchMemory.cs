using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>Working memory of a kernel, aligned to 64 bytes, kept by the thread for the next call.</summary>
/// <remarks>Contents are undefined. Disposed by the thread that rented it. A thread keeps the blocks that it used at the same time,
/// none above <see cref="LargestKept"/>.</remarks>
public readonly unsafe ref struct ScratchMemory
{
    /// <summary>Bytes of the largest block that is kept.</summary>
    public const long LargestKept = 64L << 20;

    [ThreadStatic]
    private static Stack<Block>? kept;

    private readonly Block block;

    private ScratchMemory(Block block) => this.block = block;

    /// <summary>The first number.</summary>
    public float* Start => block.Start;

    /// <summary>Rents memory.</summary>
    /// <param name="count">Numbers wanted.</param>
    public static ScratchMemory Rent(long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var bytes = Math.Max(count, 1) * sizeof(float);
        if (kept is { Count: > 0 } && kept.Pop() is var last)
        {
            if (last.Capacity >= bytes)
                return new ScratchMemory(last);
            last.Dispose();
        }
        return new ScratchMemory(new Block(bytes));
    }

    /// <summary>Gives the memory back to the thread.</summary>
    public void Dispose()
    {
        if (block.Capacity > LargestKept)
            block.Dispose();
        else
            (kept ??= new Stack<Block>()).Push(block);
    }

    /// <summary>A block of aligned native memory; freed by the finalizer when its thread has ended.</summary>
    private sealed class Block : IDisposable
    {
        private const nuint Alignment = 64;

        internal Block(long capacity)
        {
            Capacity = capacity;
            Start = (float*)NativeMemory.AlignedAlloc((nuint)capacity, Alignment);
        }

        ~Block() => Free();

        internal long Capacity { get; }

        internal float* Start { get; private set; }

        /// <inheritdoc/>
        public void Dispose()
        {
            Free();
            GC.SuppressFinalize(this);
        }

        private void Free()
        {
            NativeMemory.AlignedFree(Start);
            Start = null;
        }
    }
}
