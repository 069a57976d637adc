using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.Architecture.Tests;

/// <summary>What a package brings is whole: each component has its kind, options, verb and lines in the README, and published weights have a key map.</summary>
public partial class PackagePartsTests(Xunit.Abstractions.ITestOutputHelper output)
{
    private const string list = "exceptions.txt";

    // What a model is put together from.
    private static readonly string[] parts = ["IMixer", "ILinear", "IAttentionMask", "ISampler", "IDictionary", "PositionEncoding", "IBlock", "IEmbedding"];

    [Fact]
    public void Every_package_has_all_parts_or_says_why_not()
    {
        var offences = Sources.Packages.SelectMany(package => Lacking(package, ReadMe(package), Text(package)).Select(what => (package.Name, what))).ToList();
        foreach (var package in Sources.Packages)
            output.WriteLine($"{package.Name}: {string.Join(", ", Kinds(package).Select(kind => $"{kind.ContainingType.Name}.{kind.Name} ({OptionsOf(kind)?.Name ?? "no options"}; {Verb(package, kind)?.Name ?? "no verb"})"))}; {(HasKeyMap(package) ? "a key map" : "no key map")}");

        Offenders.None(
            $"Each component has a kind, options with an option, a verb and its words in the README, which has all sections; a package that reads weights has a key map. What lacks stands in {list} with its reason.",
            Exceptions.Compare(offences, Exceptions.Read(list)));
    }

    [Fact]
    public void What_lacks_is_reported_part_by_part()
    {
        var package = Toy("""
            public interface IMixer;
            public class LanguageModelBuilder { public LanguageModelBuilder AddWhole() { _ = ToyComponents.Whole; return this; } }
            public abstract class Kind;
            public abstract class Kind<TPart> : Kind;
            public class Kind<TOptions, TPart>(System.Func<TOptions, TPart> make) : Kind<TPart> { public System.Func<TOptions, TPart> Make => make; }
            public class NoOptions { public int Unused { get; set; } }
            public static class Slot { public static Kind<IMixer> Define(System.Func<IMixer> make) => new Kind<NoOptions, IMixer>(_ => make()); }
            public class WholeOptions { public int Size { get; set; } }
            public class BareOptions;
            public class Whole : IMixer;
            public class Plain : IMixer;
            public class Bare : IMixer;
            public class Alone : IMixer;
            public abstract class Base : IMixer;
            public static class ToyComponents
            {
                public static readonly Kind<WholeOptions, IMixer> Whole = new(_ => new Whole());
                public static readonly Kind<BareOptions, IMixer> Bare = new(_ => new Bare());
                public static readonly Kind<IMixer> Plain = Slot.Define(() => new Plain());
                private static readonly System.Collections.Generic.Dictionary<string, Kind> byName = new();
            }
            """);

        Assert.Equal(
            ["Alone kind", "BareOptions option", "ToyComponents.Bare verb", "ToyComponents.Bare README", "ToyComponents.Plain verb", "ToyComponents.Plain README", "README section Sample", "README section Citation", "key map"],
            Lacking(package, "# Toy\n`AddWhole`\n## Paper map\n## Options\n## Measured\n## Limits\n", "new SafetensorsReader(path)"));
    }

    [Fact]
    public void The_list_of_exceptions_is_kept_honest() =>
        Assert.Equal(
            [
                "P: gone (listed, but it no longer applies: delete the entry)", "P: bare (an entry is `package: what: reason`)", "P: known (listed twice)", "P: new",
            ],
            Exceptions.Compare([("P", "known"), ("P", "new")], ["P: known: a reason: with a colon", "P: gone: a reason", "P: bare", "P: known: twice"]));

    private static IEnumerable<string> Lacking(Package package, string readme, string text)
    {
        var kinds = Kinds(package).ToList();
        foreach (var part in package.Types.Where(type => type is { TypeKind: TypeKind.Class, IsAbstract: false, DeclaredAccessibility: Accessibility.Public } && Sources.Ancestry(type).Any(parts.Contains)))
        {
            if (!kinds.Any(kind => Mentions(package, kind.ContainingType, symbol => SymbolEqualityComparer.Default.Equals(TypeUses.Declaring(symbol), part))))
                yield return $"{part.Name} kind";
        }
        foreach (var options in package.Types.Where(IsEmptyOptions))
            yield return $"{options.Name} option";
        foreach (var kind in kinds)
        {
            var verb = Verb(package, kind);
            if (verb is null)
                yield return $"{kind.ContainingType.Name}.{kind.Name} verb";
            if (!new[] { verb?.Name, OptionsOf(kind)?.Name }.OfType<string>().Any(name => Regex.IsMatch(readme, $@"\b{name}\b")))
                yield return $"{kind.ContainingType.Name}.{kind.Name} README";
        }
        foreach (var section in PackageFolderTests.Sections.Where(section => !readme.Split('\n').Contains(section)))
            yield return $"README section {section[3..]}";
        if (ReadsWeights().IsMatch(text) && !HasKeyMap(package))
            yield return "key map";
    }

    private static IEnumerable<IFieldSymbol> Kinds(Package package) =>
        package.Types.SelectMany(type => type.GetMembers().OfType<IFieldSymbol>()).Where(field => field.IsStatic && !field.IsImplicitlyDeclared && IsKind(field.Type));

    // A field of type Kind<TPart>, or Kind<TOptions, TPart> where the kind has options.
    private static bool IsKind(ITypeSymbol type) => type is INamedTypeSymbol { Name: "Kind", TypeArguments.Length: > 0 };

    private static ITypeSymbol? OptionsOf(IFieldSymbol kind) => kind.Type is INamedTypeSymbol { TypeArguments: [var options, _] } ? options : null;

    // A verb is a public method that gives the builder back and names the kind.
    private static IMethodSymbol? Verb(Package package, IFieldSymbol kind) =>
        package.Types.SelectMany(type => type.GetTypeMembers().Prepend(type)).SelectMany(type => type.GetMembers().OfType<IMethodSymbol>())
            .Where(method => method.DeclaredAccessibility == Accessibility.Public && method.ReturnType.Name == "LanguageModelBuilder")
            .FirstOrDefault(method => (method.Name.StartsWith("Add", StringComparison.Ordinal) || method.Name.StartsWith("Use", StringComparison.Ordinal))
                && Mentions(package, method, symbol => SymbolEqualityComparer.Default.Equals(symbol, kind)));

    private static bool Mentions(Package package, ISymbol member, Func<ISymbol, bool> wanted) =>
        member.DeclaringSyntaxReferences.Any(reference =>
        {
            var model = package.Compilation.GetSemanticModel(reference.SyntaxTree);
            return reference.GetSyntax().DescendantNodes().OfType<SimpleNameSyntax>().Any(name => model.GetSymbolInfo(name) is var found && (found.Symbol ?? found.CandidateSymbols.FirstOrDefault()) is { } symbol && wanted(symbol));
        });

    private static bool IsEmptyOptions(INamedTypeSymbol type)
    {
        if (type is not { TypeKind: TypeKind.Class, IsStatic: false, DeclaredAccessibility: Accessibility.Public } || !type.Name.EndsWith("Options", StringComparison.Ordinal))
            return false;
        for (var above = type; above is not null; above = above.BaseType)
        {
            if (above.GetMembers().OfType<IPropertySymbol>().Any(property => property is { IsStatic: false, DeclaredAccessibility: Accessibility.Public }))
                return false;
        }
        return true;
    }

    private static bool HasKeyMap(Package package) =>
        package.Types.Where(type => type.Name is not ("KeyMap" or "KeyMapRow")).SelectMany(type => type.GetMembers())
            .Any(member => member.IsStatic && ((member as IMethodSymbol)?.ReturnType ?? (member as IPropertySymbol)?.Type)?.Name == "KeyMap");

    private static string ReadMe(Package package) => Repository.Read($"{package.Folder}/README.md").Text;

    private static string Text(Package package) => string.Join('\n', Repository.Files(package.Folder, ".cs").Where(file => !file.Stem.StartsWith("Safetensors", StringComparison.Ordinal) && !file.Stem.StartsWith("Pickle", StringComparison.Ordinal)).Select(file => file.Text));

    private static Package Toy(string text) => Package.Of("LmKit.Toy", "src/LmKit.Toy", [new SourceFile("src/LmKit.Toy/Toy.cs", $"namespace LmKit;\n{text}\n")]);

    [GeneratedRegex(@"new SafetensorsReader\(|PickleReader\.|CheckpointFiles\.")]
    private static partial Regex ReadsWeights();
}
