using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>One block of working memory, freed with the thread that kept it.</summary>
internal sealed unsafe class ScratchBlock
{
    private const nuint Alignment = 64; // a cache line and the widest vector

    private nuint capacity;

    ~ScratchBlock() => NativeMemory.AlignedFree(Address);

    internal void* Address { get; private set; }

    internal void Grow(nuint byteCount)
    {
        if (byteCount <= capacity)
            return;
        NativeMemory.AlignedFree(Address);
        Address = null;
        capacity = 0;
        Address = NativeMemory.AlignedAlloc(byteCount, Alignment);
        capacity = byteCount;
    }
}
