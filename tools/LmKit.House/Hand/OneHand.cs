using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace LmKit.House;

/// <summary>Lists what is not written in the one hand, and mends it.</summary>
internal static class OneHand
{
    /// <summary>The folders whose sources are ours to write.</summary>
    internal static IReadOnlyList<string> Folders { get; } = ["src", "tests", "samples", "bench", "experiments", "tools"];

    private const int Rounds = 20;

    /// <summary>What syntax alone tells of sources: braces and names of fields.</summary>
    internal static IEnumerable<Offence> BySyntax(IEnumerable<SourceFile> files) =>
        files.Select(file => CSharpSyntaxTree.ParseText(file.Text, path: file.Path)).SelectMany(tree => Braces.In(tree).Concat(FieldNames.In(tree)));

    /// <summary>A file's text after edits that do not touch each other.</summary>
    internal static string Mended(string text, IEnumerable<Edit> edits) =>
        edits.OrderByDescending(edit => edit.Span.Start).Aggregate(text, (mended, edit) => mended[..edit.Span.Start] + edit.Text + mended[edit.Span.End..]);

    /// <summary>The command <c>hand [--fix] [--list]</c>.</summary>
    internal static int Run(string[] options)
    {
        if (options.Except(["--fix", "--list"]).Any())
        {
            Console.Error.WriteLine($"hand: '{string.Join(' ', options)}' is not understood; it takes --fix and --list.");
            return 2;
        }
        if (options.Contains("--fix"))
            Fix();
        var left = All();
        foreach (var rule in new[] { Braces.Rule, FieldNames.Rule, Access.Rule })
            Console.WriteLine($"{rule}: {left.Count(offence => offence.Rule == rule)}, of which {left.Count(offence => offence.Rule == rule && offence.Edits.Count == 0)} must be mended by hand");
        foreach (var offence in left.Where(offence => options.Contains("--list") || offence.Edits.Count == 0))
            Console.WriteLine($"{offence.Rule}: {offence}");
        return left.Count == 0 ? 0 : 1;
    }

    // One rule after the other, since each moves what the next one reads; braces in rounds, since a body may hold another.
    private static void Fix()
    {
        _ = Apply(Access.In(Projects()));
        _ = Apply(Projects().SelectMany(FieldNames.In));
        for (var round = 0; round < Rounds && Apply(Trees().SelectMany(Braces.In)) > 0; round++)
        {
        }
    }

    private static List<Offence> All()
    {
        var projects = Projects();
        return [.. Trees().SelectMany(Braces.In), .. projects.SelectMany(FieldNames.In), .. Access.In(projects)];
    }

    private static IEnumerable<SyntaxTree> Trees() =>
        Folders.SelectMany(folder => Repository.Files(folder, ".cs")).Select(file => CSharpSyntaxTree.ParseText(file.Text, path: file.Path));

    private static IReadOnlyList<Compilation> Projects()
    {
        var packages = Package.ReadAll();
        var others = Folders.Where(folder => folder != "src").SelectMany(Repository.Folders).Where(IsProject);
        return [.. packages.Concat(others.Select(folder => Package.Using(folder, packages))).Select(package => package.Compilation)];
    }

    private static bool IsProject(string folder) => Repository.Exists($"{folder}/{Path.GetFileName(folder)}.csproj");

    // An edit that touches another one waits for the next round.
    private static int Apply(IEnumerable<Offence> offences)
    {
        var edits = new Dictionary<string, List<Edit>>();
        foreach (var offence in offences.Where(offence => offence.Edits.Count > 0).ToList())
        {
            if (offence.Edits.All(edit => !edits.GetValueOrDefault(edit.Path, []).Any(other => other.Span.IntersectsWith(edit.Span))))
            {
                foreach (var edit in offence.Edits)
                {
                    if (!edits.TryAdd(edit.Path, [edit]))
                        edits[edit.Path].Add(edit);
                }
            }
        }
        foreach (var (path, changes) in edits)
            File.WriteAllText(Path.Combine(Repository.Root, path), Mended(Repository.Read(path).Text, changes));
        return edits.Count;
    }
}
