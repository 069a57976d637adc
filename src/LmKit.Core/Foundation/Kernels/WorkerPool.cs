using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Runs the pieces of a kernel on as many threads as libtorch may use, the calling one included.</summary>
/// <remarks>Threads take pieces from a counter, and the caller waits only for pieces that were taken: a thread that gets no core costs
/// nothing. Idle threads sleep, so libtorch's own threads have the cores. Nested and simultaneous calls run on their callers' threads
/// alone. Tensors may be made on the calling thread only.</remarks>
public sealed class WorkerPool
{
    private readonly object bell = new();
    private readonly Lock gate = new();
    private int threadCount;
    private int calls;
    private volatile Job? current;

    [ThreadStatic]
    private static bool isWorking;

    /// <summary>The process's pool.</summary>
    public static WorkerPool Shared { get; } = new();

    /// <summary>Runs pieces 0 to <paramref name="count"/> - 1, each once, and returns when all are done.</summary>
    /// <param name="count">How many.</param>
    /// <param name="piece">Runs one; called from several threads.</param>
    /// <param name="maxThreads">Most threads, or 0 for libtorch's number.</param>
    /// <exception cref="Exception">The first exception of a piece; pieces not yet taken are left out then.</exception>
    public void Run(int count, Action<int> piece, int maxThreads = 0)
    {
        ArgumentNullException.ThrowIfNull(piece);
        var threads = Math.Min(maxThreads > 0 ? maxThreads : get_num_threads(), count);
        if (threads <= 1 || isWorking || !gate.TryEnter())
        {
            for (var index = 0; index < count; index++)
                piece(index);
            return;
        }
        try
        {
            for (; threadCount < threads - 1; threadCount++)
                new Thread(Serve) { IsBackground = true, Name = $"{nameof(WorkerPool)} {threadCount}" }.Start();
            var job = new Job(count, piece);
            current = job;
            lock (bell)
            {
                calls = threads - 1;
                Monitor.PulseAll(bell);
            }
            Work(job);
            current = null;
            job.Wait();
        }
        finally
        {
            gate.Exit();
        }
    }

    private void Serve()
    {
        while (true)
        {
            lock (bell)
            {
                while (calls == 0)
                    _ = Monitor.Wait(bell);
                calls--;
            }
            if (current is { } job)
                Work(job);
        }
    }

    private static void Work(Job job)
    {
        isWorking = true;
        try
        {
            job.TakePieces();
        }
        finally
        {
            isWorking = false;
        }
    }

    private sealed class Job(int count, Action<int> piece)
    {
        private int next;
        private int done;
        private volatile Exception? failure;

        internal void TakePieces()
        {
            for (int index; (index = Interlocked.Increment(ref next) - 1) < count;)
            {
                try
                {
                    if (failure is null)
                        piece(index);
                }
                catch (Exception error)
                {
                    failure ??= error;
                }
                _ = Interlocked.Increment(ref done);
            }
        }

        internal void Wait()
        {
            var spin = default(SpinWait);
            while (Volatile.Read(ref done) < count)
                spin.SpinOnce(sleep1Threshold: -1); // a sleep would cost more than most kernels
            if (failure is { } error)
                ExceptionDispatchInfo.Throw(error);
        }
    }
}
