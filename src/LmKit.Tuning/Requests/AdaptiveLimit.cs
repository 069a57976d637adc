namespace LmKit;

/// <summary>How many requests may run: halved when there were too many, one more after a number of successes, up to a maximum.</summary>
internal sealed class AdaptiveLimit : IDisposable
{
    private const int SuccessesToGrow = 50;

    private readonly int maximum;
    private readonly Lock gate = new();
    private readonly SemaphoreSlim changed = new(0);
    private int running;
    private int successes;

    internal AdaptiveLimit(int maximum) => this.maximum = Current = maximum;

    internal int Current { get; private set; }

    /// <summary>Takes a place, as soon as there is one. One caller at a time.</summary>
    internal async Task EnterAsync(CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            lock (gate)
            {
                if (running < Current)
                {
                    running++;
                    return;
                }
            }
            await changed.WaitAsync(cancellation).ConfigureAwait(false);
        }
    }

    internal void Exit()
    {
        lock (gate)
            running--;
        _ = changed.Release();
    }

    internal void Halve()
    {
        lock (gate)
            (Current, successes) = (Math.Max(1, Current / 2), 0);
    }

    internal void Succeed()
    {
        lock (gate)
        {
            if (Current == maximum || ++successes < SuccessesToGrow)
                return;
            (Current, successes) = (Current + 1, 0);
        }
        _ = changed.Release();
    }

    public void Dispose() => changed.Dispose();
}
