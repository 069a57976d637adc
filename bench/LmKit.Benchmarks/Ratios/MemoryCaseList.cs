using LmKit.Benchmarks.Cases;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Every comparison of peak memory, in the order in which it runs.</summary>
internal static class MemoryCaseList
{
    public static IReadOnlyList<MemoryCase> All { get; } =
    [
        .. IdentityVersusIdentity.MemoryCases,
        .. H3LayerVersusPlainComposition.MemoryCases,
        .. StreamingVersusWholeCall.MemoryCases,
    ];

    /// <summary>The cases whose name contains the text, or all that are not reserved for a filter.</summary>
    public static IReadOnlyList<MemoryCase> Select(string? filter) =>
        [.. All.Where(one => filter is null ? !one.OnlyWhenNamed : one.Name.Contains(filter, StringComparison.OrdinalIgnoreCase))];
}
