using System.Xml.Linq;

namespace LmKit.Architecture.Tests;

public class ProjectFileTests
{
    private static readonly string[] folders = ["src", "tests", "bench", "samples", "experiments", "tools", "build"];

    [Fact]
    public void Versions_stand_in_one_file() =>
        Offenders.None("Versions belong in Directory.Packages.props.", Projects().SelectMany(Versioned));

    [Fact]
    public void A_silenced_warning_has_its_reason() =>
        Offenders.None("A comment right before each NoWarn says why.", Projects().SelectMany(Unexplained));

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        var solution = File.ReadAllText(Path.Combine(Repository.Root, "LmKit.sln")).Replace('\\', '/');

        Offenders.None(
            "dotnet sln LmKit.sln add PROJECT.",
            Projects().Select(file => file.Path).Where(path => path.EndsWith(".csproj", StringComparison.Ordinal) && !solution.Contains($"\"{path}\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Broken_rules_are_found()
    {
        var file = new SourceFile("a.csproj", """<P><!-- why --><NoWarn>A</NoWarn><NoWarn>B</NoWarn><PackageReference Include="X" Version="1" /><PackageReference Include="Y" /></P>""");

        Assert.Equal(["a.csproj: X"], Versioned(file));
        Assert.Equal(["a.csproj: B"], Unexplained(file));
    }

    private static IEnumerable<SourceFile> Projects() =>
        folders.SelectMany(folder => Repository.Files(folder, ".csproj", ".props", ".targets")).Append(Repository.Read("Directory.Build.props"));

    private static IEnumerable<string> Versioned(SourceFile file) =>
        from reference in XDocument.Parse(file.Text).Descendants("PackageReference")
        where reference.Attribute("Version") is not null || reference.Attribute("VersionOverride") is not null || reference.Element("Version") is not null
        select $"{file.Path}: {reference.Attribute("Include")?.Value}";

    private static IEnumerable<string> Unexplained(SourceFile file) =>
        from silenced in XDocument.Parse(file.Text).Descendants("NoWarn")
        where silenced.NodesBeforeSelf().LastOrDefault() is not XComment
        select $"{file.Path}: {silenced.Value}";
}
