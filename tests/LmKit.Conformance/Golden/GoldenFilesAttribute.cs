namespace LmKit.Conformance;

/// <summary>Gives a theory one case per safetensors file of the repository that its suite checks.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenFilesAttribute : GoldenRowsAttribute
{
    /// <inheritdoc/>
    public override string? ReasonToSkip(Type suite, object[] row) => (string)row[0] == GoldenKindsAttribute.None ? "the area has no check" : null;

    /// <inheritdoc/>
    protected override IEnumerable<object[]> Rows(Type suite) => GoldenCasesAttribute.Suite(suite).Checked()
        .Where(name => name.EndsWith(".safetensors", StringComparison.Ordinal)).DefaultIfEmpty(GoldenKindsAttribute.None).Select(name => new object[] { name });
}

/// <summary>Gives a theory a case for each folder of the repository that its suite checks, or for the first of each kind.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenFoldersAttribute : GoldenRowsAttribute
{
    /// <summary>Whether all folders are cases.</summary>
    public bool All { get; set; }

    /// <inheritdoc/>
    public override string? ReasonToSkip(Type suite, object[] row) => (string)row[0] == GoldenKindsAttribute.None ? "the area has no folder with a check" : null;

    /// <inheritdoc/>
    protected override IEnumerable<object[]> Rows(Type suite)
    {
        var golden = GoldenCasesAttribute.Suite(suite);
        var folders = golden.Checked().Where(name => Directory.Exists(GoldenSource.Repository.PathOf(GoldenCasesAttribute.AreaOf(suite), name)));
        return folders.GroupBy(name => GoldenSource.KindOf(name, golden.CheckedKinds)).SelectMany(kind => All ? kind : kind.Take(1)).DefaultIfEmpty(GoldenKindsAttribute.None).Select(name => new object[] { name });
    }
}
