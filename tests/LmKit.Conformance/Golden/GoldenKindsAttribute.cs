namespace LmKit.Conformance;

/// <summary>Gives a theory one case per kind that its suite checks.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class GoldenKindsAttribute : GoldenRowsAttribute
{
    internal const string None = "(none)";

    /// <inheritdoc/>
    public override string? ReasonToSkip(Type suite, object[] row) => (string)row[0] == None ? "the area has no check" : null;

    /// <inheritdoc/>
    protected override IEnumerable<object[]> Rows(Type suite) => GoldenCasesAttribute.Suite(suite).CheckedKinds.DefaultIfEmpty(None).Select(kind => new object[] { kind });
}
