using static TorchSharp.torch;

namespace LmKit;

/// <summary>The batches of an autoencoder's run, one at a time, and the place in them.</summary>
/// <remarks>Single-threaded. Batches that were cancelled while they were waited for, or failed, are asked for anew from the place that was reached.</remarks>
internal sealed class AutoencoderBatches : IDisposable
{
    private readonly Func<long, IAsyncEnumerable<(Tensor Activations, Tensor? Gradients)>> from;
    private readonly ActivationStore? store;
    private IAsyncEnumerator<(Tensor Activations, Tensor? Gradients)>? open;
    private CancellationTokenSource? stop;
    private (Tensor Activations, Tensor? Gradients)? next;
    private bool hasEnded;
    private long taken;
    private long toPass;

    private AutoencoderBatches(Func<long, IAsyncEnumerable<(Tensor Activations, Tensor? Gradients)>> from, ActivationStore? store = null) => (this.from, this.store) = (from, store);

    /// <summary>Whether they begin at the run's first batch wherever they are asked to.</summary>
    private bool PassesOver { get; init; }

    /// <summary>Whether they may have to be waited for.</summary>
    private bool IsAwaited { get; init; }

    /// <summary>Rows that a store has served, batches taken otherwise; set it to go on from there.</summary>
    internal long Place
    {
        get => store?.Position ?? taken;
        set
        {
            Close();
            Drop();
            hasEnded = false;
            if (store is not null)
                store.Position = value;
            else
                taken = value;
        }
    }

    internal static AutoencoderBatches OfStore(ActivationStore store, long batchSize)
    {
        return new(_ => Endless().ToAsyncEnumerable(), store);

        IEnumerable<(Tensor Activations, Tensor? Gradients)> Endless()
        {
            while (true)
                yield return (store.Next(batchSize), null);
        }
    }

    internal static AutoencoderBatches Of(IEnumerable<Tensor> batches) =>
        new(_ => batches.Select(batch => (batch, default(Tensor))).ToAsyncEnumerable()) { PassesOver = true };

    internal static AutoencoderBatches Of(IAsyncEnumerable<Tensor> batches) =>
        new(_ => batches.Select(batch => (batch, default(Tensor)))) { PassesOver = true, IsAwaited = true };

    internal static AutoencoderBatches From(Func<long, IAsyncEnumerable<(Tensor Activations, Tensor? Gradients)>> from) => new(from) { IsAwaited = true };

    /// <summary>Makes the next batch ready; false when there is none.</summary>
    /// <exception cref="InvalidOperationException">There are fewer batches than the run has taken before.</exception>
    internal async ValueTask<bool> NextAsync(CancellationToken cancellation)
    {
        while (next is null && !hasEnded)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                await MoveAsync(cancellation).ConfigureAwait(false);
            }
            catch
            {
                await CloseAsync().ConfigureAwait(false);
                throw;
            }
        }
        return next is not null;
    }

    /// <summary>Hands the batch that is ready over, to be disposed.</summary>
    internal (Tensor Activations, Tensor? Gradients) Take()
    {
        var batch = next ?? throw new InvalidOperationException($"No batch is ready; {nameof(ITrainingTask.NextAsync)} comes before {nameof(ITrainingTask.Learn)}.");
        next = null;
        return batch;
    }

    public void Dispose()
    {
        Close();
        Drop();
    }

    private async ValueTask MoveAsync(CancellationToken cancellation)
    {
        if (open is null)
        {
            (stop, toPass) = (new CancellationTokenSource(), PassesOver ? taken : 0);
            open = from(taken).GetAsyncEnumerator(stop.Token);
        }
        bool isThere;
        using (IsAwaited ? cancellation.Register(stop!.Cancel) : default)
            isThere = await open.MoveNextAsync().ConfigureAwait(false);
        if (!isThere)
        {
            if (toPass > 0)
                throw new InvalidOperationException($"The batches ended after {taken - toPass}; the run that is continued had taken {taken}. Give it the batches that it began with.");
            hasEnded = true;
            await CloseAsync().ConfigureAwait(false);
            return;
        }
        next = open.Current;
        if (toPass > 0)
        {
            toPass--;
            Drop();
            return;
        }
        taken++;
        if (stop!.IsCancellationRequested)
            await CloseAsync().ConfigureAwait(false); // it would not go on
    }

    private async ValueTask CloseAsync()
    {
        var closing = open;
        open = null;
        if (closing is not null)
            await closing.DisposeAsync().ConfigureAwait(false);
        stop?.Dispose();
        stop = null;
    }

    private void Close() => CloseAsync().AsTask().GetAwaiter().GetResult();

    private void Drop()
    {
        next?.Activations?.Dispose();
        next?.Gradients?.Dispose();
        next = null;
    }
}
