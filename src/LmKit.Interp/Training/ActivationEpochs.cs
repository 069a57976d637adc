using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Batches of activations that are held in memory.</summary>
public static class ActivationEpochs
{
    /// <summary>Serves every row once an epoch, in an order drawn anew; an epoch's last batch may be shorter.</summary>
    /// <param name="activations">Activations (N, D); the caller's, alive as long as batches are taken.</param>
    /// <param name="batchSize">Rows of a batch.</param>
    /// <param name="epochs">Epochs.</param>
    /// <param name="random">Source of the orders.</param>
    /// <param name="start">Batches to pass over. With the seed of a run that was cut off and its steps done
    /// (<see cref="Trainer.Step"/>), the rest of its batches.</param>
    /// <returns>Batches (B, D), outside any dispose scope; the consumer disposes each.</returns>
    public static IEnumerable<Tensor> Of(Tensor activations, long batchSize, int epochs, Generator random, long start = 0)
    {
        new TensorCheck(nameof(ActivationEpochs)).Any(activations, nameof(activations), "N D");
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(epochs);
        return Batches(activations, batchSize, epochs, random, start);
    }

    /// <summary>Batches in an epoch of N rows.</summary>
    public static long Count(long rows, long batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(batchSize);
        return rows / batchSize + (rows % batchSize > 0 ? 1 : 0);
    }

    private static IEnumerable<Tensor> Batches(Tensor activations, long batchSize, int epochs, Generator random, long passed)
    {
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            using var order = Order(activations, random);
            for (long start = 0; start < order.size(0); start += batchSize)
            {
                if (passed-- > 0)
                    continue;
                yield return Take(activations, order, start, Math.Min(batchSize, order.size(0) - start));
            }
        }
    }

    // Generators live on the CPU; one seed gives one order on every device.
    private static Tensor Order(Tensor activations, Generator random)
    {
        using var scope = NewDisposeScope();
        return randperm(activations.size(0), generator: random).to(activations.device).DetachFromDisposeScope();
    }

    private static Tensor Take(Tensor activations, Tensor order, long start, long count)
    {
        using var scope = NewDisposeScope();
        return activations.index_select(0, order.narrow(0, start, count)).DetachFromDisposeScope();
    }
}
