using LmKit.Benchmarks.Cases;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Every comparison of peak memory, in the order in which it runs.</summary>
internal static class MemoryCaseList
{
    internal static IReadOnlyList<MemoryCase> All { get; } =
    [
        .. IdentityVersusIdentity.MemoryCases,
        .. H3LayerVersusPlainComposition.MemoryCases,
        .. StreamingVersusWholeCall.MemoryCases,
        .. PublishedLoadVersusFreshRead.MemoryCases,
    ];

    /// <summary>The cases whose name contains one of the texts, or all that are not reserved for a filter.</summary>
    internal static IReadOnlyList<MemoryCase> Select(IReadOnlyList<string> filters) =>
        [.. All.Where(one => filters.Count == 0 ? !one.OnlyWhenNamed : filters.Any(filter => RatioCaseList.Matches(one.Name, filter)))];
}
