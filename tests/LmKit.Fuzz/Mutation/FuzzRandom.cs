namespace LmKit.Fuzz;

/// <summary>Random numbers that are the same for a seed on every machine and with every version of .NET (SplitMix64).</summary>
internal sealed class FuzzRandom(ulong seed)
{
    private ulong state = seed;

    /// <summary>The numbers of one case: they depend on the run's seed, the target and the case's number alone.</summary>
    internal static FuzzRandom Of(long seed, string target, long index)
    {
        var mixed = 0xCBF29CE484222325UL;
        foreach (var letter in target)
            mixed = (mixed ^ letter) * 0x100000001B3UL;
        return new FuzzRandom(mixed ^ ((ulong)seed * 0x9E3779B97F4A7C15UL) ^ ((ulong)index * 0xC2B2AE3D27D4EB4FUL));
    }

    internal ulong Next()
    {
        state += 0x9E3779B97F4A7C15UL;
        var z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }

    /// <summary>A number from 0 to below <paramref name="limit"/>.</summary>
    internal int Below(int limit) => (int)(Next() % (ulong)Math.Max(1, limit));

    internal bool Chance(double share) => (Next() >> 11) * (1.0 / (1UL << 53)) < share;

    internal T Pick<T>(IReadOnlyList<T> from) => from[Below(from.Count)];
}
