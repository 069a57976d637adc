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
