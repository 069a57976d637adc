using System.Text.RegularExpressions;
using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>Gives a theory one case per folder of golden data; in a partial run those that no suite checks are skipped rows.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed partial class GoldenFoldersAttribute : GoldenRowsAttribute
{
    internal const string None = "(no folder)";

    /// <inheritdoc/>
    public override string? ReasonToSkip(Type suite, object[] row) => (string)row[0] == None
        ? "there is no golden data"
        : GoldenSource.FromEnvironment().IsPartial && !SuiteAreas().Contains((string)row[0]) ? $"not covered: no suite has the area {row[0]}" : null;

    internal static IReadOnlyList<string> SuiteAreas() => GoldenSource.Repository.Root is not { } golden
        ? []
        : [.. Directory.GetDirectories(Path.GetDirectoryName(golden)!, "LmKit.*.Tests")
            .SelectMany(project => Directory.GetFiles(project, "*.cs"))
            .SelectMany(file => Area().Matches(File.ReadAllText(file)))
            .Select(match => match.Groups["area"].Value)];

    /// <inheritdoc/>
    protected override IEnumerable<object[]> Rows(Type suite) => GoldenSource.FromEnvironment().Folders(SuiteAreas()).DefaultIfEmpty(None).Select(folder => new object[] { folder });

    [GeneratedRegex("""\[GoldenArea\("(?<area>[\w/-]+)"\)\]""")]
    private static partial Regex Area();
}
