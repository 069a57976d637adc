namespace LmKit.Conformance;

/// <summary>A list of tensors of golden files with a reason for each: <c>kind: name</c>, where a name may begin or end with a star.</summary>
internal sealed class TensorList(IReadOnlyDictionary<string, string> entries)
{
    private readonly (string Kind, string Name, string Key)[] rows = [.. entries.Keys.Select(key => key.Split(": ")).Select(parts => (parts[0], parts[1], string.Join(": ", parts)))];

    internal bool Has(string? kind, string tensor) => Rows(kind, [tensor]).Any();

    /// <summary>The entries that some tensors of a file of a kind fall under, each with its reason.</summary>
    internal IEnumerable<(string Name, string Reason)> Rows(string? kind, IReadOnlyList<string> tensors) =>
        rows.Where(row => row.Kind == kind && tensors.Any(tensor => Fits(row.Name, tensor))).Select(row => (row.Name, entries[row.Key]));

    private static bool Fits(string pattern, string name) => pattern switch
    {
        ['*', .. var end] => name.EndsWith(end, StringComparison.Ordinal),
        [.. var start, '*'] => name.StartsWith(start, StringComparison.Ordinal),
        _ => name == pattern,
    };
}
