namespace LmKit.Architecture.Tests;

public class PackageFolderTests
{
    internal static readonly string[] Sections = ["## Sample", "## Paper map", "## Options", "## Measured", "## Limits", "## Citation"];
    private static readonly string[] everyPackageHas = ["README.md", "CHANGELOG.md", "PublicAPI.Shipped.txt", "PublicAPI.Unshipped.txt"];

    [Fact]
    public void A_package_folder_has_its_papers() =>
        Offenders.None(
            $"Every package has {string.Join(", ", everyPackageHas)}.",
            from package in Repository.Packages
            from file in everyPackageHas
            where !Repository.Exists($"src/{package}/{file}")
            select $"src/{package}/{file} is missing");

    [Fact]
    public void Every_technique_is_described_in_the_same_order() =>
        Offenders.None(
            $"The README of every package but the core has {string.Join(", ", Sections)}, in this order.",
            Repository.Packages.Where(package => package != "LmKit.Core")
                .Where(package => !Repository.Read($"src/{package}/README.md").Lines.Where(Sections.Contains).SequenceEqual(Sections)));

    [Fact]
    public void A_changelog_has_an_unreleased_head() =>
        Offenders.None(
            "CHANGELOG.md collects changes under `## Unreleased` until a release dates it.",
            Repository.Packages.Select(package => Repository.Read($"src/{package}/CHANGELOG.md")).Where(file => !file.Lines.Contains("## Unreleased")).Select(file => file.Path));

    [Fact]
    public void A_package_has_a_test_project() =>
        Offenders.None(
            "Every package has tests/<package>.Tests.",
            Repository.Packages.Where(package => !Repository.Exists($"tests/{package}.Tests/{package}.Tests.csproj")));
}
