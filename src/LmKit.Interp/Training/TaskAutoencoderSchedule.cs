namespace LmKit;

/// <summary>Learning rates of the task autoencoders' code as it runs, for comparison with it: <see cref="DictionarySchedule"/> is the
/// one to train with.</summary>
/// <remarks>A restart warms up from a tenth of the base rate and stops one step short of it; the decay multiplies the already decayed
/// rate, so it falls like a product and not like a line.</remarks>
public static class TaskAutoencoderSchedule
{
    private const double RestartShare = 0.1;

    /// <summary>The rate of every epoch.</summary>
    /// <param name="baseRate">Base rate.</param>
    /// <param name="epochs">Epochs in all.</param>
    /// <param name="warmup">Epochs of a warm-up after a restart.</param>
    /// <param name="restarts">Epochs after which features are resampled and the rate restarts.</param>
    /// <param name="decayStart">Epoch at which the decay begins.</param>
    /// <param name="decayEnd">Epoch at which it reaches 0.</param>
    public static double[] Rates(double baseRate, int epochs, int warmup, IReadOnlyCollection<int> restarts, int decayStart, int decayEnd)
    {
        ArgumentNullException.ThrowIfNull(restarts);
        var rates = new double[epochs];
        var (rate, since) = (baseRate, int.MaxValue);
        for (var epoch = 0; epoch < epochs; epoch++)
        {
            if (restarts.Contains(epoch - 1))
                since = 0;
            if (since < warmup)
                rate = baseRate * (RestartShare + (1 - RestartShare) * since++ / warmup);
            if (epoch >= decayStart)
                rate *= 1 - (epoch + 1.0 - decayStart) / (decayEnd - decayStart);
            rates[epoch] = rate;
        }
        return rates;
    }
}
