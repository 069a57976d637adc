using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using static Microsoft.CodeAnalysis.CSharp.SyntaxFactory;

namespace LmKit.Mutation;

/// <summary>Puts each change of a file behind its switch.</summary>
internal sealed class MutantWriter(ILookup<SyntaxNode, Mutant> sites) : CSharpSyntaxRewriter
{
    internal const string Annotation = "mutant";

    /// <summary>The class that says which switch is on; it records those that were asked.</summary>
    internal const string Switch = """
        namespace LmKit
        {
            internal static class MutantSwitch
            {
                public static volatile int Active = int.Parse(global::System.Environment.GetEnvironmentVariable("LMKIT_MUTANT") ?? "-1");
                public static readonly bool[] Reached = new bool[COUNT];

                static MutantSwitch()
                {
                    if (global::System.Environment.GetEnvironmentVariable("LMKIT_MUTANTS_REACHED") is { } folder)
                        global::System.AppDomain.CurrentDomain.ProcessExit += (_, _) => global::System.IO.File.WriteAllText(
                            global::System.IO.Path.Combine(folder, global::System.Environment.ProcessId.ToString()),
                            string.Join(",", global::System.Linq.Enumerable.Where(global::System.Linq.Enumerable.Range(0, Reached.Length), id => Reached[id])));
                }

                public static bool Is(int id)
                {
                    Reached[id] = true;
                    return Active == id;
                }
            }
        }
        """;

    public override SyntaxNode? Visit(SyntaxNode? node)
    {
        var visited = base.Visit(node);
        if (node is null || visited is null)
            return visited;
        foreach (var mutant in sites[node])
            visited = Behind(visited, mutant).WithAdditionalAnnotations(new SyntaxAnnotation(Annotation, mutant.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        return visited;
    }

    private static SyntaxNode Behind(SyntaxNode node, Mutant mutant)
    {
        var isOn = ParseExpression($"global::LmKit.MutantSwitch.Is({mutant.Id})");
        if (node is ExpressionSyntax expression)
        {
            var changed = (ExpressionSyntax)mutant.Changed!;
            return ParenthesizedExpression(ConditionalExpression(isOn, ParenthesizedExpression(changed.WithoutTrivia()), ParenthesizedExpression(expression.WithoutTrivia())));
        }
        var statement = (StatementSyntax)node;
        return mutant.Changed is StatementSyntax other
            ? Block(IfStatement(isOn, Block(other), ElseClause(Block(statement))))
            : Block(IfStatement(PrefixUnaryExpression(SyntaxKind.LogicalNotExpression, isOn), Block(statement)));
    }
}
