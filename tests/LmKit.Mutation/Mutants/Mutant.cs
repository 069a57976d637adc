using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.Mutation;

/// <summary>One small change of a source file.</summary>
/// <param name="Path">The file, from the repository's root.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Kind">What sort of change it is.</param>
/// <param name="Before">The text that changes.</param>
/// <param name="After">What it becomes.</param>
/// <param name="Site">The expression or statement that stands behind a switch.</param>
/// <param name="Changed">What stands there when the switch is on; null for nothing.</param>
internal sealed record Mutant(string Path, int Line, string Kind, string Before, string After, SyntaxNode Site, SyntaxNode? Changed)
{
    /// <summary>Its number in the build.</summary>
    internal int Id { get; set; } = -1;

    /// <summary>The file, line and change in one line.</summary>
    internal string Text => $"{Path}:{Line} {Kind}: `{OneLine(Before)}` becomes `{OneLine(After)}`";

    /// <summary>What it is known by when lines move: file, member, change, and which of several alike.</summary>
    internal string Key => $"{Path} {Member} {Kind}: `{OneLine(Before)}` becomes `{OneLine(After)}`{(Twin == 0 ? "" : $" #{Twin}")}";

    /// <summary>How many changes alike come before it in its member.</summary>
    internal int Twin { get; set; }

    private string Member => Site.AncestorsAndSelf().OfType<MemberDeclarationSyntax>().First() switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        PropertyDeclarationSyntax property => property.Identifier.Text,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.Text,
        var other => other.Kind().ToString(),
    };

    private static string OneLine(string text)
    {
        var line = string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return line.Length == 0 ? "nothing" : line.Length <= 110 ? line : line[..107] + "...";
    }
}
