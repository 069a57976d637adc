namespace LmKit.Benchmarks.Ratios;

/// <summary>The middle of a list of figures, which one preempted round cannot move.</summary>
internal static class Median
{
    internal static double Of(IEnumerable<double> figures)
    {
        var ascending = figures.Order().ToArray();
        if (ascending.Length == 0)
            throw new ArgumentException("A median needs at least one figure.", nameof(figures));

        var middle = ascending.Length / 2;
        return ascending.Length % 2 == 1 ? ascending[middle] : (ascending[middle - 1] + ascending[middle]) / 2;
    }
}
