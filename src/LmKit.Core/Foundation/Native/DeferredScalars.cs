using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LmKit;

/// <summary>Frees the native numbers of TorchSharp's scalars some time after their finalizers ask for it.</summary>
/// <remarks>
/// An operation with a number, such as x * 0.5 or the 1 that every sum of tensors is scaled by, makes a scalar whose handle is all that
/// reaches the native call. Nothing refers to the scalar itself meanwhile, so a collection at that moment finalizes it, and the call reads
/// memory that is free: a wrong number, or an exception that tells of a number of another type. What a scalar holds therefore stays for
/// <see cref="Delay"/>, in which a native call that is under way has long read it. Thread-safe.
/// </remarks>
internal static unsafe class DeferredScalars
{
    /// <summary>How long a number stays after it was to be freed.</summary>
    internal static readonly TimeSpan Delay = TimeSpan.FromSeconds(2);

    // No program makes so many in the time.
    private const int Most = 1 << 22;

    private static readonly Lock Gate = new();

    // A ring in native memory: the collector has nothing to do with what its finalizers leave here.
    private static Waiting* ring;
    private static int capacity;
    private static int first;
    private static int count;

    /// <summary>Stands in the place of THSTorch_dispose_scalar.</summary>
    internal static nint Address => (nint)(delegate* unmanaged<nint, void>)&Defer;

    /// <summary>How many wait.</summary>
    internal static int Count
    {
        get
        {
            lock (Gate)
                return count;
        }
    }

    [UnmanagedCallersOnly]
    private static void Defer(nint scalar)
    {
        if (scalar == 0)
            return;
        var now = Stopwatch.GetTimestamp();
        lock (Gate)
        {
            while (count > 0 && (count >= Most || Stopwatch.GetElapsedTime(ring[first].Since, now) > Delay))
            {
                NativeMemory.Free((void*)ring[first].Scalar); // a scalar of C# numbers owns nothing, and operator delete is free
                first = (first + 1) % capacity;
                count--;
            }
            if (count < capacity || Grow())
                ring[(first + count++) % capacity] = new Waiting { Scalar = scalar, Since = now };
        }
    }

    // Without memory the number stays for good: 32 bytes. Nothing may be thrown into native code.
    private static bool Grow()
    {
        try
        {
            var wider = Math.Max(1024, 2 * capacity);
            var fresh = (Waiting*)NativeMemory.Alloc((nuint)wider, (nuint)sizeof(Waiting));
            for (var index = 0; index < count; index++)
                fresh[index] = ring[(first + index) % capacity];
            NativeMemory.Free(ring);
            ring = fresh;
            (capacity, first) = (wider, 0);
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }

    private struct Waiting
    {
        internal nint Scalar;
        internal long Since;
    }
}
