using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace LmKit.House;

/// <summary>A body that is one statement on one line has no braces; in a chain of if and else all branches have them, or none.</summary>
/// <remarks>A comment of the body's own, a head of several lines or a further statement with a body asks for braces. An own line for each part is
/// assumed, as <c>dotnet format</c> leaves it.</remarks>
internal static class Braces
{
    internal const string Rule = "braces";

    internal static IEnumerable<Offence> In(SyntaxTree tree)
    {
        var text = tree.GetText();
        foreach (var node in tree.GetRoot().DescendantNodes())
        {
            var branches = Branches(node).ToList();
            if (branches.Count == 0)
                continue;
            var needed = branches.Any(branch => !IsShort(text, branch));
            foreach (var branch in branches.Where(branch => branch.Body is BlockSyntax != needed))
            {
                var edits = branch.Body is BlockSyntax block ? Without(tree.FilePath, text, branch, block) : With(tree.FilePath, text, branch);
                yield return new Offence(Rule, tree.FilePath, Line(text, branch.Head.Start) + 1, needed ? "braces are missing" : "braces around one short statement", edits);
            }
        }
    }

    private static IEnumerable<Branch> Branches(SyntaxNode node) => node switch
    {
        IfStatementSyntax { Parent: not ElseClauseSyntax } statement => Chain(statement),
        ForStatementSyntax loop => [Branch.Of(loop, loop.Statement)],
        CommonForEachStatementSyntax loop => [Branch.Of(loop, loop.Statement)],
        WhileStatementSyntax loop => [Branch.Of(loop, loop.Statement)],
        LockStatementSyntax held => [Branch.Of(held, held.Statement)],
        UsingStatementSyntax { Statement: not UsingStatementSyntax } used => [Branch.Of(used, used.Statement)],
        FixedStatementSyntax { Statement: not FixedStatementSyntax } pinned => [Branch.Of(pinned, pinned.Statement)],
        _ => [],
    };

    private static IEnumerable<Branch> Chain(IfStatementSyntax statement)
    {
        var head = statement.SpanStart;
        for (var next = statement; next is not null;)
        {
            yield return new Branch(TextSpan.FromBounds(head, next.CloseParenToken.Span.End), next.Statement);
            if (next.Else is { Statement: not IfStatementSyntax } last)
                yield return new Branch(last.ElseKeyword.Span, last.Statement);
            head = next.Else?.ElseKeyword.SpanStart ?? 0;
            next = next.Else?.Statement as IfStatementSyntax;
        }
    }

    private static bool IsShort(SourceText text, Branch branch)
    {
        if (Line(text, branch.Head.Start) != Line(text, branch.Head.End))
            return false;
        if (branch.Body is not BlockSyntax block)
            return IsOneLine(text, branch.Body);
        return block.Statements is [var only] && IsOneLine(text, only)
            && block.DescendantTrivia().Where(trivia => !only.Span.Contains(trivia.Span)).All(trivia => IsBlank(trivia) || IsRemark(text, only, trivia))
            && text.ToString(TextSpan.FromBounds(branch.Head.End, block.SpanStart)).Trim().Length == 0;
    }

    private static bool IsOneLine(SourceText text, StatementSyntax statement) =>
        statement is ExpressionStatementSyntax or ReturnStatementSyntax or ThrowStatementSyntax or BreakStatementSyntax or ContinueStatementSyntax or GotoStatementSyntax or YieldStatementSyntax or EmptyStatementSyntax
        && Line(text, statement.SpanStart) == Line(text, statement.Span.End);

    private static bool IsBlank(SyntaxTrivia trivia) => trivia.Kind() is SyntaxKind.WhitespaceTrivia or SyntaxKind.EndOfLineTrivia;

    // A remark at the end of the statement's line may stay there.
    private static bool IsRemark(SourceText text, StatementSyntax statement, SyntaxTrivia trivia) =>
        trivia.IsKind(SyntaxKind.SingleLineCommentTrivia) && trivia.SpanStart > statement.Span.End && Line(text, trivia.SpanStart) == Line(text, statement.Span.End);

    private static List<Edit> Without(string path, SourceText text, Branch branch, BlockSyntax block)
    {
        var only = block.Statements[0];
        var end = only.GetTrailingTrivia().Where(trivia => IsRemark(text, only, trivia)).Select(trivia => trivia.Span.End).DefaultIfEmpty(only.Span.End).Max();
        return
        [
            new Edit(path, TextSpan.FromBounds(branch.Head.End, only.SpanStart), $"\n{Indent(text, branch)}    "),
            new Edit(path, TextSpan.FromBounds(end, block.Span.End), ""),
        ];
    }

    private static List<Edit> With(string path, SourceText text, Branch branch)
    {
        var (indent, body) = (Indent(text, branch), branch.Body);
        var first = Line(text, branch.Head.End) == Line(text, body.SpanStart)
            ? new Edit(path, TextSpan.FromBounds(branch.Head.End, body.SpanStart), $"\n{indent}{{\n{indent}    ")
            : new Edit(path, new TextSpan(text.Lines.GetLineFromPosition(branch.Head.End).End, 0), $"\n{indent}{{");
        var line = text.Lines.GetLineFromPosition(body.Span.End).End;
        var rest = text.ToString(TextSpan.FromBounds(body.Span.End, line)).TrimStart();
        var end = rest.Length == 0 || rest.StartsWith("//", StringComparison.Ordinal) ? line : body.Span.End;
        return [first, new Edit(path, new TextSpan(end, 0), $"\n{indent}}}")];
    }

    private static string Indent(SourceText text, Branch branch)
    {
        var line = text.Lines.GetLineFromPosition(branch.Head.Start).ToString();
        return line[..^line.TrimStart().Length];
    }

    private static int Line(SourceText text, int position) => text.Lines.GetLinePosition(position).Line;

    private sealed record Branch(TextSpan Head, StatementSyntax Body)
    {
        internal static Branch Of(StatementSyntax statement, StatementSyntax body) =>
            new(TextSpan.FromBounds(statement.SpanStart, body.GetFirstToken().GetPreviousToken().Span.End), body);
    }
}
