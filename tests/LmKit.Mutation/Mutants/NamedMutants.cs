using System.Text.Json;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.Mutation;

/// <summary>Changes that somebody once made by hand and that tests must see, from named.json.</summary>
internal static class NamedMutants
{
    private static readonly JsonSerializerOptions json = new(JsonSerializerDefaults.Web);

    /// <summary>Each becomes a whole body of its member: the text of the change stands there once.</summary>
    internal static IReadOnlyList<Mutant> Read(IEnumerable<SyntaxTree> trees)
    {
        var files = trees.ToDictionary(tree => Repository.Relative(tree.FilePath));
        var rows = JsonSerializer.Deserialize<Row[]>(File.ReadAllText(Path.Combine(Repository.Here, "named.json")), json)!;
        return [.. rows.Select(row => Of(row, files.GetValueOrDefault(row.Path) ?? throw new InvalidDataException($"named.json: there is no {row.Path}.")))];
    }

    private static Mutant Of(Row row, SyntaxTree tree)
    {
        var found = tree.GetRoot().DescendantNodes().Where(node => Name(node) == row.Member).Select(Body).OfType<SyntaxNode>()
            .Where(body => body.ToString().Split(row.Before).Length == 2).ToArray();
        if (found is not [var body])
            throw new InvalidDataException($"named.json, {row.Path}: {found.Length} members {row.Member} hold `{row.Before}` once; one should.");
        var text = body.ToString();
        var at = text.IndexOf(row.Before, StringComparison.Ordinal);
        var changed = text.Replace(row.Before, row.After, StringComparison.Ordinal);
        SyntaxNode parsed = body is BlockSyntax ? SyntaxFactory.ParseStatement(changed, options: tree.Options) : SyntaxFactory.ParseExpression(changed, options: tree.Options);
        var line = tree.GetLineSpan(new(body.SpanStart + at, row.Before.Length)).StartLinePosition.Line + 1;
        return new Mutant(row.Path, line, row.Name, row.Before, row.After, body, parsed);
    }

    private static string? Name(SyntaxNode node) => node switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.Text,
        _ => null,
    };

    private static SyntaxNode? Body(SyntaxNode member) => ((BaseMethodDeclarationSyntax)member).Body ?? (SyntaxNode?)((BaseMethodDeclarationSyntax)member).ExpressionBody?.Expression;

    private sealed record Row(string Name, string Path, string Member, string Before, string After);
}
