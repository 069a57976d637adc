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
