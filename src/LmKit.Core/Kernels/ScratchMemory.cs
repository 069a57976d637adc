namespace LmKit;

/// <summary>Aligned working memory that threads keep and use again.</summary>
/// <remarks>A block belongs to the thread that took it and is given back on it by disposing; what it holds is undefined.
/// Each thread keeps the blocks of its deepest nesting until it ends.</remarks>
public readonly unsafe ref struct ScratchMemory
{
    [ThreadStatic]
    private static Stack<ScratchBlock>? kept;

    private readonly ScratchBlock block;

    private ScratchMemory(ScratchBlock block) => this.block = block;

    /// <summary>Takes a block of at least so many bytes.</summary>
    /// <exception cref="OutOfMemoryException">There is none.</exception>
    public static ScratchMemory Rent(long byteCount)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        var block = (kept ??= new Stack<ScratchBlock>()).TryPop(out var last) ? last : new ScratchBlock();
        block.Grow((nuint)byteCount);
        return new ScratchMemory(block);
    }

    /// <summary>The block, aligned to 64 bytes, as elements of a type.</summary>
    public T* As<T>()
        where T : unmanaged => (T*)block.Address;

    /// <summary>Gives the block back to this thread.</summary>
    public void Dispose() => (kept ??= new Stack<ScratchBlock>()).Push(block);
}
