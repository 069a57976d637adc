using System.Text.RegularExpressions;
using LmKit.Conformance;
using Xunit.Abstractions;

namespace LmKit.Core.Tests;

/// <summary>Golden data of an area that no package checks would pass unseen; this looks at the folder as a whole.</summary>
public partial class GoldenAreasTests(ITestOutputHelper output)
{
    [Fact]
    [Trait("Category", "Golden")]
    public void Every_area_of_golden_data_has_a_suite() =>
        GoldenSource.FromEnvironment().RequireKnownAreas(SuiteAreas(), output.WriteLine);

    private static IEnumerable<string> SuiteAreas()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
            folder = folder.Parent;
        return folder is null
            ? []
            : Directory.GetDirectories(Path.Combine(folder.FullName, "tests"), "LmKit.*.Tests")
                .SelectMany(project => Directory.GetFiles(project, "*.cs"))
                .SelectMany(file => Area().Matches(File.ReadAllText(file)))
                .Select(match => match.Groups["area"].Value);
    }

    [GeneratedRegex("""\[GoldenArea\("(?<area>\w+)"\)\]""")]
    private static partial Regex Area();
}
