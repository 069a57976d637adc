using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>A block of aligned native memory; freed by the finalizer when its thread has ended.</summary>
internal sealed unsafe class ScratchBlock : IDisposable
{
    private const nuint Alignment = 64;

    internal ScratchBlock(long capacity)
    {
        Capacity = capacity;
        Start = (float*)NativeMemory.AlignedAlloc((nuint)capacity, Alignment);
    }

    ~ScratchBlock() => Free();

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
