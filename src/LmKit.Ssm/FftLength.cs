namespace LmKit;

/// <summary>Transform lengths that FFT libraries do fast.</summary>
internal static class FftLength
{
    /// <summary>The least even 2^a 3^b 5^c, b and c at most 1, that is not below a length.</summary>
    internal static long AtLeast(long length)
    {
        var best = long.MaxValue;
        foreach (var odd in (ReadOnlySpan<long>)[1, 3, 5, 15])
        {
            var candidate = 2 * odd;
            while (candidate < length)
                candidate *= 2;
            best = Math.Min(best, candidate);
        }
        return best;
    }
}
