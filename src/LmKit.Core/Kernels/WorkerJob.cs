using System.Runtime.ExceptionServices;

namespace LmKit;

/// <summary>One call's pieces: a counter that hands them out, and how many threads are inside.</summary>
internal sealed class WorkerJob(int count, Action<int> body)
{
    private int next;
    private int inside;
    private Exception? failure;

    /// <summary>Takes pieces until none is left.</summary>
    internal void Work()
    {
        _ = Interlocked.Increment(ref inside);
        try
        {
            for (int index; (index = Interlocked.Increment(ref next) - 1) < count;)
                body(index);
        }
        catch (Exception error)
        {
            _ = Interlocked.CompareExchange(ref failure, error, null);
            Volatile.Write(ref next, count);
        }
        finally
        {
            _ = Interlocked.Decrement(ref inside);
        }
    }

    /// <summary>Waits for the pieces that others have begun; throws what a piece threw.</summary>
    internal void Finish()
    {
        var wait = new SpinWait();
        while (Volatile.Read(ref inside) > 0)
            wait.SpinOnce(sleep1Threshold: -1);
        if (failure is { } error)
            ExceptionDispatchInfo.Throw(error);
    }
}
