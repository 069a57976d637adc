namespace LmKit.Conformance;

/// <summary>Ways to cut a sequence into pieces.</summary>
internal static class Cuts
{
    private const int RandomCount = 6;

    /// <summary>Whole; one token, then the rest; token by token; random cuts, empty pieces among them.</summary>
    internal static IEnumerable<long[]> Of(long length)
    {
        yield return [length];
        yield return [1, length - 1];
        yield return [length - 1, 1];
        yield return [.. Enumerable.Repeat(1L, (int)length)];
        yield return [0, length, 0];
        for (var seed = 1; seed <= RandomCount; seed++)
            yield return At(length, seed);
    }

    /// <summary>One random cut; the seed is all it depends on.</summary>
    internal static long[] At(long length, int seed)
    {
        var random = new Random(seed);
        var pieces = new List<long>();
        for (var left = length; left > 0; left -= pieces[^1])
            pieces.Add(random.Next(5) == 0 ? 0 : random.NextInt64(1, Math.Min(left, 8) + 1));
        return [.. pieces];
    }
}
