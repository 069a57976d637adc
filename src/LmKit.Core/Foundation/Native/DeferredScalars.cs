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

    // 16 bytes here and 32 there each; no program makes so many in the time.
    private const int Most = 1 << 22;

    private static readonly Lock Gate = new();
    private static readonly Queue<(nint Scalar, long Since)> Waiting = new();

    /// <summary>Stands in the place of THSTorch_dispose_scalar.</summary>
    internal static nint Address => (nint)(delegate* unmanaged<nint, void>)&Defer;

    /// <summary>How many wait.</summary>
    internal static int Count
    {
        get
        {
            lock (Gate)
                return Waiting.Count;
        }
    }

    [UnmanagedCallersOnly]
    private static void Defer(nint scalar)
    {
        if (scalar == 0)
            return;
        try
        {
            var now = Stopwatch.GetTimestamp();
            lock (Gate)
            {
                Waiting.Enqueue((scalar, now));
                while (Waiting.TryPeek(out var oldest) && (Waiting.Count > Most || Stopwatch.GetElapsedTime(oldest.Since, now) > Delay))
                {
                    _ = Waiting.Dequeue();
                    NativeMemory.Free((void*)oldest.Scalar); // a scalar of C# numbers owns nothing, and operator delete is free
                }
            }
        }
        catch (OutOfMemoryException)
        {
            // Nothing may be thrown into native code. The number stays: 32 bytes.
        }
    }
}
