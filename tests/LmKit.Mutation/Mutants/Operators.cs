using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using static Microsoft.CodeAnalysis.CSharp.SyntaxFactory;

namespace LmKit.Mutation;

/// <summary>Which operator is written for which.</summary>
internal static class Operators
{
    internal static IEnumerable<(SyntaxKind Kind, SyntaxKind Token)> Others(SyntaxKind kind) => kind switch
    {
        SyntaxKind.AddExpression => [(SyntaxKind.SubtractExpression, SyntaxKind.MinusToken)],
        SyntaxKind.SubtractExpression => [(SyntaxKind.AddExpression, SyntaxKind.PlusToken)],
        SyntaxKind.MultiplyExpression => [(SyntaxKind.DivideExpression, SyntaxKind.SlashToken)],
        SyntaxKind.DivideExpression => [(SyntaxKind.MultiplyExpression, SyntaxKind.AsteriskToken)],
        SyntaxKind.ModuloExpression => [(SyntaxKind.MultiplyExpression, SyntaxKind.AsteriskToken)],
        SyntaxKind.LeftShiftExpression => [(SyntaxKind.RightShiftExpression, SyntaxKind.GreaterThanGreaterThanToken)],
        SyntaxKind.RightShiftExpression => [(SyntaxKind.LeftShiftExpression, SyntaxKind.LessThanLessThanToken)],
        SyntaxKind.BitwiseAndExpression => [(SyntaxKind.BitwiseOrExpression, SyntaxKind.BarToken)],
        SyntaxKind.BitwiseOrExpression => [(SyntaxKind.BitwiseAndExpression, SyntaxKind.AmpersandToken)],
        SyntaxKind.ExclusiveOrExpression => [(SyntaxKind.BitwiseOrExpression, SyntaxKind.BarToken)],
        SyntaxKind.LessThanExpression => [(SyntaxKind.LessThanOrEqualExpression, SyntaxKind.LessThanEqualsToken), (SyntaxKind.GreaterThanOrEqualExpression, SyntaxKind.GreaterThanEqualsToken)],
        SyntaxKind.LessThanOrEqualExpression => [(SyntaxKind.LessThanExpression, SyntaxKind.LessThanToken), (SyntaxKind.GreaterThanExpression, SyntaxKind.GreaterThanToken)],
        SyntaxKind.GreaterThanExpression => [(SyntaxKind.GreaterThanOrEqualExpression, SyntaxKind.GreaterThanEqualsToken), (SyntaxKind.LessThanOrEqualExpression, SyntaxKind.LessThanEqualsToken)],
        SyntaxKind.GreaterThanOrEqualExpression => [(SyntaxKind.GreaterThanExpression, SyntaxKind.GreaterThanToken), (SyntaxKind.LessThanExpression, SyntaxKind.LessThanToken)],
        SyntaxKind.EqualsExpression => [(SyntaxKind.NotEqualsExpression, SyntaxKind.ExclamationEqualsToken)],
        SyntaxKind.NotEqualsExpression => [(SyntaxKind.EqualsExpression, SyntaxKind.EqualsEqualsToken)],
        SyntaxKind.LogicalAndExpression => [(SyntaxKind.LogicalOrExpression, SyntaxKind.BarBarToken)],
        SyntaxKind.LogicalOrExpression => [(SyntaxKind.LogicalAndExpression, SyntaxKind.AmpersandAmpersandToken)],
        _ => [],
    };

    /// <summary>The sort of change that leads to an operator.</summary>
    internal static string Name(SyntaxKind kind) => kind switch
    {
        SyntaxKind.LessThanExpression or SyntaxKind.LessThanOrEqualExpression or SyntaxKind.GreaterThanExpression or SyntaxKind.GreaterThanOrEqualExpression => "border",
        SyntaxKind.EqualsExpression or SyntaxKind.NotEqualsExpression => "comparison",
        SyntaxKind.LogicalAndExpression or SyntaxKind.LogicalOrExpression => "logic",
        _ => "arithmetic",
    };

    internal static (SyntaxKind Kind, SyntaxKind Token)? Assignment(SyntaxKind kind) => kind switch
    {
        SyntaxKind.AddAssignmentExpression => (SyntaxKind.SubtractAssignmentExpression, SyntaxKind.MinusEqualsToken),
        SyntaxKind.SubtractAssignmentExpression => (SyntaxKind.AddAssignmentExpression, SyntaxKind.PlusEqualsToken),
        SyntaxKind.MultiplyAssignmentExpression => (SyntaxKind.DivideAssignmentExpression, SyntaxKind.SlashEqualsToken),
        SyntaxKind.DivideAssignmentExpression => (SyntaxKind.MultiplyAssignmentExpression, SyntaxKind.AsteriskEqualsToken),
        _ => null,
    };

    /// <summary>Parts of a pattern and what each may be changed to.</summary>
    internal static IEnumerable<(PatternSyntax Inner, PatternSyntax Other)> Patterns(PatternSyntax pattern)
    {
        foreach (var inner in pattern.DescendantNodesAndSelf().OfType<PatternSyntax>())
        {
            if (inner is RelationalPatternSyntax relational)
                yield return (inner, RelationalPattern(Token(Border(relational.OperatorToken.Kind())), relational.Expression));
            if (inner is BinaryPatternSyntax both)
                yield return (inner, both.IsKind(SyntaxKind.AndPattern) ? BinaryPattern(SyntaxKind.OrPattern, both.Left, both.Right) : BinaryPattern(SyntaxKind.AndPattern, both.Left, both.Right));
        }
    }

    private static SyntaxKind Border(SyntaxKind token) => token switch
    {
        SyntaxKind.LessThanToken => SyntaxKind.LessThanEqualsToken,
        SyntaxKind.LessThanEqualsToken => SyntaxKind.LessThanToken,
        SyntaxKind.GreaterThanToken => SyntaxKind.GreaterThanEqualsToken,
        _ => SyntaxKind.GreaterThanToken,
    };
}
