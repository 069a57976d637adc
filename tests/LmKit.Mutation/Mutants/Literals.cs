using System.Globalization;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.Mutation;

/// <summary>What a constant is changed to: the next number (and 0 for 1), twice a fraction, the other truth.</summary>
internal static class Literals
{
    internal static IEnumerable<string> Others(LiteralExpressionSyntax literal) => literal.Kind() switch
    {
        SyntaxKind.TrueLiteralExpression => ["false"],
        SyntaxKind.FalseLiteralExpression => ["true"],
        SyntaxKind.NumericLiteralExpression => Numbers(literal.Token.Value),
        _ => [],
    };

    private static IEnumerable<string> Numbers(object? value) => value switch
    {
        1 => ["2", "0"],
        1L => ["2L", "0L"],
        int number => [(number + 1).ToString(CultureInfo.InvariantCulture)],
        long number => [$"{(number + 1).ToString(CultureInfo.InvariantCulture)}L"],
        float number => [$"{Twice(number)}f"],
        double number => [$"{Twice(number)}d"],
        _ => [],
    };

    private static string Twice(double number) => (number == 0 ? 1 : 2 * number).ToString("R", CultureInfo.InvariantCulture);
}
