using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>Counts the rows of the table.</summary>
internal static class HouseFigures
{
    internal static IReadOnlyList<Figure> Count()
    {
        var packages = Package.ReadAll();
        var uses = packages.ToDictionary(package => package.Name, TypeUses.In);
        return
        [
            OfTrip("prompt", Trip.Prompt, "types a prompt passes on its way to text, attention model (types of which a method is compiled on the way: it runs, and building did not run it)", "<= 20"),
            OfTrip("prompt_h3", Trip.PromptWithH3, "the same with an H3 model", "no goal"),
            OfTrip("training", Trip.Training, "types of one training step, text file to step (types of which a method is compiled on the way: it runs, and building did not run it)", "<= 22"),
            .. OfFiles(),
            .. OfPublicTypes(packages),
            OfCircles(packages, uses),
            OfTrainingLoops(packages),
            OfFreshness(packages),
            OfSmallestMixer(),
            OfSlots(),
        ];
    }

    private static Figure OfTrip(string key, string trip, string title, string goal)
    {
        var types = Trip.Types(trip, inlines: true);
        var all = Trip.Types(trip, inlines: false);
        return new Figure(
            key, title, $"{types.Count} ({all.Count} where nothing is inlined)", goal,
            string.Join(", ", types), $"only where nothing is inlined: {string.Join(", ", all.Except(types))}");
    }

    private static IEnumerable<Figure> OfFiles()
    {
        int[] lengths = [.. Repository.Files("src", ".cs").Select(file => file.Lines.Length).Order()];
        yield return new Figure("median", "median lines of a source file in src", $"{FileLengths.Percentile(lengths, 50)}", "60 to 90");
        yield return new Figure(
            "small_files", $"files of {FileLengths.SmallFile} lines or fewer of all in src", $"{lengths.Count(length => length <= FileLengths.SmallFile)} of {lengths.Length}",
            $"at most 40 per 460: {FileLengths.SmallFilesAllowed(lengths.Length)} of {lengths.Length}");
        yield return new Figure("tail", "90th percentile / longest, lines", $"{FileLengths.Percentile(lengths, 90)} / {lengths[^1]}", "longest 300, kernels 500");
    }

    private static IEnumerable<Figure> OfPublicTypes(IReadOnlyList<Package> packages)
    {
        var all = packages.Sum(package => package.Types.Count);
        var open = packages.SelectMany(package => package.Types).Where(type => type.DeclaredAccessibility == Accessibility.Public).ToList();
        yield return new Figure(
            "public_types", "public types of all types (declared outside others)", $"{open.Count} of {all}", $"at most half: {all / 2} of {all}",
            [.. packages.Select(package => $"{package.Name}: {package.Types.Count(type => type.DeclaredAccessibility == Accessibility.Public)} of {package.Types.Count}")]);
        yield return new Figure("public_in_lmkit", "public types in namespace `LmKit`", $"{open.Count(type => type.ContainingNamespace.ToDisplayString() == "LmKit")}", "at most 110");
    }

    private static Figure OfCircles(IReadOnlyList<Package> packages, Dictionary<string, IReadOnlySet<TypeUse>> uses)
    {
        var circles = packages.Select(package => (package.Name, Circles: FolderCircles.In(package, uses[package.Name]))).Where(entry => entry.Circles.Count > 0).ToList();
        var now = circles.Count == 0 ? "0" : string.Join(", ", circles.Select(entry => $"{entry.Name["LmKit.".Length..]} {entry.Circles.Count} ({string.Join("; ", entry.Circles.Select(circle => $"{circle.Count} folders"))})"));
        return new Figure(
            "circles", "circles between folders of a package (a folder with files is a point, a use of a type by a type of another folder an arrow)", now, "0",
            [.. circles.SelectMany(entry => entry.Circles.Select(circle => $"{entry.Name}: {string.Join(", ", circle)}"))]);
    }

    private static Figure OfTrainingLoops(IReadOnlyList<Package> packages)
    {
        var loops = TrainingLoops.In(packages);
        return new Figure(
            "training_loops",
            "training loops in src (types with a loop in which they call both a backward pass and an optimizer's step, directly or through what they call, and not through another such type's loop)",
            $"{loops.Count}", "1", [.. loops.Select(type => $"{type.Name} ({Package.FileOf(type)})")]);
    }

    private static Figure OfFreshness(IReadOnlyList<Package> packages)
    {
        var keepers = packages.SelectMany(package => package.Types).Select(type => (Type: type, Why: WhyItKeeps(type))).Where(entry => entry.Why is not null).ToList();
        return new Figure(
            "freshness",
            "types with a rule of their own for \"made from parameters, remade when they change\" (they have a `Forget()` that does more than pass the word on, or a tensor that a delegate given to them remakes)",
            $"{keepers.Count}", "1", [.. keepers.Select(entry => $"{entry.Type.Name} ({entry.Why})")]);
    }

    private static string? WhyItKeeps(INamedTypeSymbol type)
    {
        if (type.TypeKind != TypeKind.Class)
            return null;
        var methods = type.GetMembers().OfType<IMethodSymbol>().ToList();
        if (methods.Any(method => method is { Name: "Forget", Parameters.Length: 0, DeclaredAccessibility: not Accessibility.Private } && !PassesOn(method)))
            return "Forget";
        var holdsTensor = type.GetMembers().OfType<IFieldSymbol>().Any(field => field is { IsReadOnly: false, IsConst: false, IsStatic: false } && IsTensor(field.Type));
        return holdsTensor && methods.Any(method => method.MethodKind == MethodKind.Ordinary && method.Parameters.Any(parameter => Makes(parameter.Type))) ? "remakes a tensor" : null;
    }

    private static bool PassesOn(IMethodSymbol method) =>
        method.DeclaringSyntaxReferences.Select(reference => reference.GetSyntax()).OfType<MethodDeclarationSyntax>()
            .Any(declaration => declaration.ExpressionBody is { } body ? IsForget(body.Expression) : declaration.Body?.Statements.All(PassesOn) == true);

    private static bool PassesOn(StatementSyntax statement) => statement switch
    {
        ExpressionStatementSyntax line => IsForget(line.Expression),
        ForEachStatementSyntax loop => PassesOn(loop.Statement),
        BlockSyntax block => block.Statements.All(PassesOn),
        _ => false,
    };

    private static bool IsForget(ExpressionSyntax expression) => expression.ToString().EndsWith(".Forget()", StringComparison.Ordinal);

    private static bool IsTensor(ITypeSymbol type) => type.Name == "Tensor";

    private static bool Makes(ITypeSymbol type) =>
        type is INamedTypeSymbol { Name: "Func", TypeArguments: [var made] }
        && (IsTensor(made) || made is INamedTypeSymbol { IsTupleType: true } tuple && tuple.TupleElements.All(element => IsTensor(element.Type)));

    // The laws' own toy: the shortest mixer of tests and samples that says it is a running sum.
    private static Figure OfSmallestMixer()
    {
        var (path, lines) = new[] { "tests", "samples" }.SelectMany(folder => Repository.Files(folder, ".cs"))
            .SelectMany(file => ToyMixers.In(file).Select(length => (file.Path, Lines: length)))
            .DefaultIfEmpty((Path: "none", Lines: 0)).MinBy(toy => toy.Lines);
        return new Figure("mixer_lines", "lines a third party writes for a running-sum mixer that keeps all laws (the shortest class of tests and samples that is an `IMixer` and says \"running sum\", without blank lines)", $"{lines}", "<= 40", path);
    }

    private static Figure OfSlots()
    {
        var open = OpenSlots.Open();
        string[] missing = [.. OpenSlots.Planned.Except(open)];
        return new Figure(
            "slots", $"slots of a configuration that a third party can fill, of the {OpenSlots.Planned.Count} of the plan", $"{OpenSlots.Planned.Count - missing.Length} of {OpenSlots.Planned.Count}", "all",
            $"open: {string.Join(", ", OpenSlots.Planned.Intersect(open))}", $"missing: {(missing.Length == 0 ? "none" : string.Join(", ", missing))}");
    }
}
