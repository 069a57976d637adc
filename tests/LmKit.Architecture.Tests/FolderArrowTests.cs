namespace LmKit.Architecture.Tests;

/// <summary>Inside a package, folders use each other without circles; in LmKit.Core, a floor uses only itself and those below.</summary>
public class FolderArrowTests(Xunit.Abstractions.ITestOutputHelper output)
{
    // LmKit.Core's floors, the lowest first.
    private static readonly string[] floors = ["Foundation", "Contracts", "Composition", "Checkpoints", "Components", "Models", "Text", "Generation", "Training", "Evaluation"];

    [Fact]
    public void No_folders_of_a_package_use_each_other_in_a_circle()
    {
        var circles = Sources.Packages.SelectMany(package => FolderCircles.In(package, Sources.Uses(package)).Select(circle => (Package: package, Folders: circle))).ToList();
        foreach (var (package, folders) in circles)
            output.WriteLine($"{Line(package, folders)}\n  {string.Join("\n  ", FolderCircles.Describe(package, Sources.Uses(package), folders))}");

        Offenders.None(
            "No circle between folders of a package; `tools/LmKit.House -- circles` shows the uses that make one.",
            circles.Select(circle => Line(circle.Package, circle.Folders)));
    }

    [Fact]
    public void No_floor_of_core_uses_a_higher_one() =>
        Offenders.None(
            $"Arrows go down only; from the lowest: {string.Join(", ", floors)}.",
            Sources.Packages.Where(package => package.Name == "LmKit.Core").SelectMany(package => Upward(package, Sources.Uses(package), floors)));

    [Fact]
    public void A_circle_and_an_arrow_that_goes_up_are_both_reported()
    {
        var package = Toy(
            ("Foundation/Ground.cs", "public class Ground { public static Roof Above() => new(); public string Name => nameof(Cellar); }"),
            ("Foundation/Deep/Cellar.cs", "public class Cellar { public const int Depth = 2; }"),
            ("Models/Roof.cs", "public class Roof { public int Height => Ground.Above().GetHashCode() + Cellar.Depth; }"),
            ("Training/Tower.cs", "/// <see cref=\"Roof\"/>\npublic class Tower { public string Name => nameof(Roof); }"));
        var uses = TypeUses.In(package);

        Assert.Equal(["LmKit.Toy: Foundation, Models"], FolderCircles.In(package, uses).Select(circle => Line(package, circle)));
        Assert.Equal(["src/LmKit.Toy/Foundation/Ground.cs: Ground (Foundation) -> Roof (Models)"], Upward(package, uses, floors));
    }

    [Theory]
    [InlineData("public class User { public void Use() => 1.Extend(); }")]
    [InlineData("public class User { public void Use() { var made = Other.Make(); } }")]
    [InlineData("public class User { private readonly Other other = new(); }")]
    [InlineData("public class User : Other;")]
    [InlineData("public class User { public void Use(System.Collections.Generic.List<Other> all) { } }")]
    public void Every_way_to_use_a_type_is_an_arrow(string user)
    {
        var package = Toy(
            ("High/User.cs", user),
            ("Low/Other.cs", "public class Other { public static Made Make() => new(); }\npublic class Made;\npublic static class Extending { public static int Extend(this int value) => value; }"));

        Assert.Contains(TypeUses.In(package), use => use.From.Name == "User" && package.FolderOf(use.To) == "Low");
    }

    [Fact]
    public void A_partial_type_counts_in_the_folder_of_the_file_that_bears_its_name()
    {
        var package = Toy(("A/Split.Part.cs", "public partial class Split { public B Other => new(); }"), ("C/Split.cs", "public partial class Split;"), ("C/B.cs", "public class B;"));

        Assert.Equal(["C", "C"], package.Types.Select(package.FolderOf));
    }

    [Fact]
    public void A_name_that_means_nothing_is_not_passed_over() =>
        Assert.Contains("Missing", Assert.Throws<InvalidOperationException>(() => TypeUses.In(Toy(("A/User.cs", "public class User : Missing;")))).Message);

    private static Package Toy(params (string Path, string Text)[] files) =>
        Package.Of("LmKit.Toy", "src/LmKit.Toy", files.Select(file => new SourceFile($"src/LmKit.Toy/{file.Path}", $"namespace LmKit;\n{file.Text}\n")));

    private static string Line(Package package, IEnumerable<string> folders) => $"{package.Name}: {string.Join(", ", folders)}";

    // Folders of other names are on no floor, and a house without its lowest floor has none.
    private static IEnumerable<string> Upward(Package package, IEnumerable<TypeUse> uses, string[] floors) =>
        from use in package.Types.Any(type => package.FolderOf(type).Split('/')[0] == floors[0]) ? uses : []
        let user = package.FolderOf(use.From).Split('/')[0]
        let used = package.FolderOf(use.To).Split('/')[0]
        let floor = Array.IndexOf(floors, user)
        where floor >= 0 && Array.IndexOf(floors, used) > floor
        select $"{use.File}: {use.From.Name} ({user}) -> {use.To.Name} ({used})";
}
