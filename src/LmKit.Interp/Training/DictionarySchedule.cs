namespace LmKit;

/// <summary>Learning-rate shares that dictionaries are trained with.</summary>
public static class DictionarySchedule
{
    /// <summary>Linear warm-up to 1, level, then linear decay to 0 over the last steps.</summary>
    /// <param name="step">The step, from 0.</param>
    /// <param name="total">Steps in all.</param>
    /// <param name="warmup">Warm-up steps W; step k &lt; W has k / W.</param>
    /// <param name="decay">Steps at the end over which the share falls.</param>
    public static double Share(long step, long total, long warmup, long decay)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        if (step < warmup)
            return (double)step / warmup;
        var start = total - decay;
        return step < start || decay == 0 ? 1 : Math.Max(0, (double)(total - step) / decay);
    }
}

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
