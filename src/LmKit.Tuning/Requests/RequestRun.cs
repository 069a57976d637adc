using System.Runtime.ExceptionServices;

namespace LmKit;

/// <summary>Works on items side by side, started in their order, as many as the limit allows; a fault of one ends all.</summary>
internal sealed class RequestRun(RequestOptions options, AdaptiveLimit limit)
{
    private const int WindowLength = 200;
    private const int LeastItems = 20; // fewer say nothing about a rate

    private readonly Queue<bool> window = new();
    private readonly Lock gate = new();
    private int failures;
    private ExceptionDispatchInfo? fault; // the first one, kept before it cancels the others

    /// <summary>Runs to the end of the items, or until one item's work throws.</summary>
    /// <param name="items">The items; those to skip are left out already.</param>
    /// <param name="work">Works on one; false tells that it failed and that this was recorded.</param>
    /// <param name="cancellation">Stops new work and cancels what runs.</param>
    internal async Task ExecuteAsync<T>(IAsyncEnumerable<T> items, Func<T, CancellationToken, Task<bool>> work, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = new List<Task>();
        try
        {
            await foreach (var item in items.WithCancellation(stop.Token).ConfigureAwait(false))
            {
                await limit.EnterAsync(stop.Token).ConfigureAwait(false);
                _ = running.RemoveAll(task => task.IsCompletedSuccessfully);
                running.Add(RunAsync(item, work, stop));
            }
            await Task.WhenAll(running).ConfigureAwait(false);
        }
        catch (Exception) when (fault is not null)
        {
            fault.Throw();
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RunAsync<T>(T item, Func<T, CancellationToken, Task<bool>> work, CancellationTokenSource stop)
    {
        try
        {
            Count(await work(item, stop.Token).ConfigureAwait(false));
        }
        catch (Exception error)
        {
            if (error is not OperationCanceledException || !stop.IsCancellationRequested)
                _ = Interlocked.CompareExchange(ref fault, ExceptionDispatchInfo.Capture(error), null);
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            limit.Exit();
        }
    }

    private void Count(bool succeeded)
    {
        lock (gate)
        {
            window.Enqueue(succeeded);
            failures += succeeded ? 0 : 1;
            if (window.Count > WindowLength && !window.Dequeue())
                failures--;
            if (window.Count >= LeastItems && failures > options.MaxFailureRate * window.Count)
                throw new RequestFailuresException(failures, window.Count, options.MaxFailureRate);
        }
    }
}

/// <summary>A run that stopped since too many of its items failed; what is finished is kept, and the run can go on.</summary>
/// <param name="failures">Failures among the last items.</param>
/// <param name="items">How many items that were.</param>
/// <param name="allowed">The share that is allowed.</param>
public sealed class RequestFailuresException(int failures, int items, double allowed)
    : Exception(FormattableString.Invariant($"{failures} of the last {items} items failed; MaxFailureRate allows {allowed:P0}. The journal names each failure; mend the cause and run again with RetriesFailed."))
{
    /// <summary>Failures among the last items.</summary>
    public int Failures { get; } = failures;

    /// <summary>How many items that were.</summary>
    public int Items { get; } = items;
}
