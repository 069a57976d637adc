using static TorchSharp.torch;

namespace LmKit;

/// <summary>Runs the pieces of a kernel on as many threads as libtorch is set to use.</summary>
/// <remarks>The calling thread works too and waits only for pieces that a helper has really begun, so a helper that gets no core
/// costs nothing. A call from inside a piece, or while another call runs, does its work alone on its own thread. Pieces get raw
/// memory: TorchSharp's dispose scopes and <c>no_grad</c> belong to the calling thread. Below some 50 microseconds of work a single
/// piece is faster.</remarks>
public static class WorkerPool
{
    private const int SpinCount = 200;

    private static readonly Lock Gate = new();
    private static readonly SemaphoreSlim Wake = new(0);
    private static int helperCount;
    private static WorkerJob? current;
    private static int isBusy;

    /// <summary>Threads that a call may use, the caller's among them: libtorch's setting.</summary>
    public static int ThreadCount => get_num_threads();

    /// <summary>Runs every piece once, in no order, and returns when all are done.</summary>
    /// <param name="count">How many pieces there are.</param>
    /// <param name="body">Runs one piece, given its index.</param>
    /// <remarks>When a piece throws, no further piece begins and the first exception comes out of this call.</remarks>
    public static void Run(int count, Action<int> body)
    {
        ArgumentNullException.ThrowIfNull(body);
        var threads = Math.Min(count, count > 1 ? ThreadCount : 1);
        if (threads <= 1 || Interlocked.CompareExchange(ref isBusy, 1, 0) != 0)
        {
            for (var index = 0; index < count; index++)
                body(index);
            return;
        }
        try
        {
            var job = new WorkerJob(count, body);
            Hire(threads - 1);
            Volatile.Write(ref current, job);
            _ = Wake.Release(threads - 1);
            job.Work();
            job.Finish();
        }
        finally
        {
            Volatile.Write(ref current, null);
            Volatile.Write(ref isBusy, 0);
        }
    }

    private static void Hire(int wanted)
    {
        if (Volatile.Read(ref helperCount) >= wanted)
            return;
        lock (Gate)
        {
            for (; helperCount < wanted; helperCount++)
                new Thread(Help) { IsBackground = true, Name = "LmKit kernel worker" }.Start();
        }
    }

    private static void Help()
    {
        while (true)
        {
            var spin = 0;
            while (!Wake.Wait(0) && spin < SpinCount)
            {
                Thread.SpinWait(20);
                spin++;
            }
            if (spin == SpinCount)
                Wake.Wait();
            Volatile.Read(ref current)?.Work();
        }
    }
}
