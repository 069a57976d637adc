namespace LmKit.Architecture.Tests;

public class TypeNamingTests
{
    private static readonly string[] _abbreviations = ["Cfg", "Ctx", "Attn", "Proj"];

    [Fact]
    public void A_file_holds_one_public_type_and_bears_its_name() =>
        Offenders.None("One public top-level type per file, the file named after it (X.Part.cs for a part of X).", Repository.Files("src", ".cs").SelectMany(Misnamed));

    [Fact]
    public void No_type_name_holds_a_banned_abbreviation() =>
        Offenders.None(
            $"Type names spell words out; banned: {string.Join(", ", _abbreviations)}.",
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

    [Fact]
    public void A_second_public_type_and_a_wrong_name_are_both_reported()
    {
        var file = new SourceFile("src/X/Right.Cpu.cs", "public static partial class Right\n{\n}\n\npublic enum Wrong\n{\n}\n");

        Assert.Equal(["src/X/Right.Cpu.cs: public Wrong"], Misnamed(file));
        Assert.Equal(["src/X/Other.cs: no top-level type Other"], Misnamed(new SourceFile("src/X/Other.cs", "internal enum Wrong\n{\n}\n")));
    }

    private static IEnumerable<string> Misnamed(SourceFile file)
    {
        var types = TopLevelType.In(file.Text);
        if (types.All(type => type.Name != file.Stem))
        {
            yield return $"{file.Path}: no top-level type {file.Stem}";
        }

        foreach (var type in types.Where(type => type.IsPublic && type.Name != file.Stem))
        {
            yield return $"{file.Path}: public {type.Name}";
        }
    }

    private static bool HasAbbreviation(string name) =>
        _abbreviations.Any(word =>
        {
            var at = name.IndexOf(word, StringComparison.Ordinal);
            return at >= 0 && (at + word.Length == name.Length || !char.IsLower(name[at + word.Length]));
        });
}
