using System.Runtime.ExceptionServices;

namespace LmKit;

/// <summary>Keeps what a kernel's backward threw, because an exception that crosses libtorch ends the process.</summary>
/// <remarks>The step's gradients are then incomplete. <see cref="Trainer"/> asks after every backward; loops of your own should too.
/// Thread-safe: on a GPU backward runs on libtorch's threads.</remarks>
public static class KernelFaults
{
    private static Exception? first;

    /// <summary>Throws the first failure since the last call, if there was one.</summary>
    public static void ThrowIfAny()
    {
        if (Interlocked.Exchange(ref first, null) is { } error)
            ExceptionDispatchInfo.Throw(error);
    }

    internal static void Keep(Exception error) => Interlocked.CompareExchange(ref first, error, null);
}
