using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;

namespace LmKit.Architecture.Tests;

public class TypeNamingTests
{
    private static readonly string[] abbreviations = ["Cfg", "Ctx", "Attn", "Proj"];

    // A module of more lines than this has a file to itself.
    private const int shortModule = 60;

    private static readonly string[] moduleTypes = ["Module", "IMixer", "ILinear", "IAttentionMask", "ISampler"];

    [Fact]
    public void A_file_is_named_after_a_type_of_its_own_or_a_family() =>
        Offenders.None(
            "A file is X.cs or X.Part.cs, where X is one of its types or the family of all of them: a word like a type's name.",
            Repository.Files("src", ".cs").Where(file => !file.IsInFolder("buildTransitive")).SelectMany(Misnamed));

    [Fact]
    public void A_module_of_more_than_a_screen_stands_in_a_file_of_its_own_name() =>
        Offenders.None(
            $"A module, mixer, linear, mask or sampler of more than {shortModule} lines stands in X.cs and X.Part.cs.",
            Sources.Packages.SelectMany(package => package.Types).SelectMany(Misplaced));

    [Fact]
    public void No_type_name_holds_a_banned_abbreviation() =>
        Offenders.None(
            $"Type names spell words out; banned: {string.Join(", ", abbreviations)}.",
            from file in Repository.Files("src", ".cs")
            from type in TopLevelType.In(file.Text)
            where HasAbbreviation(type.Name)
            select $"{file.Path}: {type.Name}");

    [Theory]
    [InlineData("public sealed partial class Block : Module\n{\n    public class Inner { }\n}", "Block", true)]
    [InlineData("public readonly record struct Site(string Name);", "Site", true)]
    [InlineData("public sealed record Pair<T>(T A);", "Pair", true)]
    [InlineData("internal static class Tables\n{\n}", "Tables", false)]
    [InlineData("public delegate IEnumerable<Tensor> Filter(Tensor logits);", "Filter", true)]
    [InlineData("public interface IMixer : IModule<Tensor, Tensor>", "IMixer", true)]
    public void Top_level_declarations_are_found(string text, string name, bool isPublic) =>
        Assert.Equal([new TopLevelType(name, isPublic)], TopLevelType.In(text));

    [Theory]
    [InlineData("MixerCtx", true)]
    [InlineData("AttnMask", true)]
    [InlineData("MonarchProjection", false)]
    [InlineData("ProjectedGradient", false)]
    public void An_abbreviation_is_a_whole_word_of_the_name(string name, bool isBanned) => Assert.Equal(isBanned, HasAbbreviation(name));

    [Theory]
    [InlineData("src/X/Right.Cpu.cs", "public static partial class Right;\npublic enum Second;\n", null)]
    [InlineData("src/X/LogitFilters.cs", "public static class TopK;\npublic static class TopP;\n", null)]
    [InlineData("src/X/filters.cs", "public static class TopK;\n", "src/X/filters.cs: 'filters' is not a name like a type's")]
    [InlineData("src/X/Top-K.cs", "public static class TopK;\n", "src/X/Top-K.cs: 'Top-K' is not a name like a type's")]
    [InlineData("src/X/Empty.cs", "// nothing\n", "src/X/Empty.cs: no type")]
    public void A_file_of_a_wrong_name_or_without_a_type_is_reported(string path, string text, string? expected) =>
        Assert.Equal(expected is null ? [] : [expected], Misnamed(new SourceFile(path, text)));

    [Fact]
    public void A_long_module_in_a_file_of_another_name_is_reported()
    {
        var body = string.Concat(Enumerable.Repeat("    // a line\n", shortModule));
        var package = Package.Of("LmKit.Toy", "src/LmKit.Toy",
        [
            new SourceFile("src/LmKit.Toy/Family.cs", $"namespace LmKit;\npublic interface IMixer;\npublic class Short : IMixer\n{{\n}}\npublic class Long : IMixer\n{{\n{body}}}\n"),
            new SourceFile("src/LmKit.Toy/Placed.cs", $"namespace LmKit;\npublic partial class Placed : IMixer\n{{\n{body}}}\n"),
            new SourceFile("src/LmKit.Toy/Placed.Part.cs", $"namespace LmKit;\npublic partial class Placed\n{{\n{body}}}\n"),
        ]);

        Assert.Equal(["src/LmKit.Toy/Family.cs: Long, 63 lines"], package.Types.SelectMany(Misplaced));
    }

    private static IEnumerable<string> Misnamed(SourceFile file)
    {
        if (!Regex.IsMatch(file.Name, @"^[A-Z][A-Za-z0-9]*(\.[A-Z][A-Za-z0-9]*)?\.cs$"))
            yield return $"{file.Path}: '{file.Name[..^3]}' is not a name like a type's";
        if (TopLevelType.In(file.Text).Count == 0)
            yield return $"{file.Path}: no type";
    }

    private static IEnumerable<string> Misplaced(INamedTypeSymbol type)
    {
        if (type.TypeKind != TypeKind.Class || !Sources.Ancestry(type).Any(moduleTypes.Contains) || Sources.Lines(type) is not (> shortModule and var lines))
            return [];
        return from reference in type.DeclaringSyntaxReferences
               let path = reference.SyntaxTree.FilePath
               where Path.GetFileName(path).Split('.')[0] != type.Name
               select $"{path}: {type.Name}, {lines} lines";
    }

    private static bool HasAbbreviation(string name) =>
        abbreviations.Any(word =>
        {
            var at = name.IndexOf(word, StringComparison.Ordinal);
            return at >= 0 && (at + word.Length == name.Length || !char.IsLower(name[at + word.Length]));
        });
}
