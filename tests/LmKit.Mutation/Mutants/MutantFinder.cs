using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using static Microsoft.CodeAnalysis.CSharp.SyntaxFactory;

namespace LmKit.Mutation;

/// <summary>Lists the changes that could be made to a file: operators, borders, conditions, constants, names, statements and results.</summary>
/// <remarks>Left out: error texts, attributes, constants and static initialisers (they run once in a process, so no switch reaches them),
/// and <c>ConfigureAwait</c>.</remarks>
internal sealed class MutantFinder(string path) : CSharpSyntaxWalker
{
    private readonly List<Mutant> found = [];

    /// <summary>The changes of a file, in its order.</summary>
    internal static IReadOnlyList<Mutant> Find(string path, SyntaxNode root)
    {
        var finder = new MutantFinder(path);
        finder.Visit(root);
        return finder.found;
    }

    public override void VisitBinaryExpression(BinaryExpressionSyntax node)
    {
        foreach (var (kind, token) in Operators.Others(node.Kind()))
            Add(Operators.Name(kind), node, BinaryExpression(kind, node.Left, Token(token), node.Right));
        if (node.IsKind(SyntaxKind.CoalesceExpression))
            Add("coalesce", node, node.Right is ThrowExpressionSyntax ? node.Left : node.Right);
        base.VisitBinaryExpression(node);
    }

    public override void VisitPrefixUnaryExpression(PrefixUnaryExpressionSyntax node)
    {
        if (node.Kind() is SyntaxKind.LogicalNotExpression or SyntaxKind.UnaryMinusExpression && !(node.IsKind(SyntaxKind.UnaryMinusExpression) && node.Operand is LiteralExpressionSyntax))
            Add("sign", node, node.Operand);
        base.VisitPrefixUnaryExpression(node);
    }

    public override void VisitLiteralExpression(LiteralExpressionSyntax node)
    {
        foreach (var text in Literals.Others(node))
            Add("constant", node, ParseExpression(text));
    }

    public override void VisitIsPatternExpression(IsPatternExpressionSyntax node)
    {
        if (!node.Pattern.DescendantNodesAndSelf().Any(inner => inner is SingleVariableDesignationSyntax))
        {
            Add("condition", node, Not(node));
            foreach (var (inner, other) in Operators.Patterns(node.Pattern))
                Add("border", node, node.ReplaceNode(inner, other));
        }
        Visit(node.Expression);
    }

    public override void VisitInvocationExpression(InvocationExpressionSyntax node)
    {
        var name = node.Expression switch { MemberAccessExpressionSyntax access => access.Name, IdentifierNameSyntax plain => plain, _ => null };
        if (name is not null && NameSwaps.Of(name.Identifier.Text) is { } other)
            Add("name", node, node.ReplaceToken(name.Identifier, Identifier(other)));
        if (name?.Identifier.Text is not "ConfigureAwait")
            base.VisitInvocationExpression(node);
        else
            Visit(node.Expression);
    }

    public override void VisitIfStatement(IfStatementSyntax node) => Condition(node.Condition, () => base.VisitIfStatement(node));

    public override void VisitWhileStatement(WhileStatementSyntax node) => Condition(node.Condition, () => base.VisitWhileStatement(node));

    public override void VisitConditionalExpression(ConditionalExpressionSyntax node) => Condition(node.Condition, () => base.VisitConditionalExpression(node));

    public override void VisitExpressionStatement(ExpressionStatementSyntax node)
    {
        Add("statement", node, null);
        if (node.Expression is AssignmentExpressionSyntax assignment && Operators.Assignment(assignment.Kind()) is { } other)
            Add("arithmetic", node, node.WithExpression(AssignmentExpression(other.Kind, assignment.Left, Token(other.Token), assignment.Right)));
        if (node.Expression is PostfixUnaryExpressionSyntax step && step.Kind() is SyntaxKind.PostIncrementExpression or SyntaxKind.PostDecrementExpression)
            Add("arithmetic", node, node.WithExpression(PostfixUnaryExpression(node.Expression.IsKind(SyntaxKind.PostIncrementExpression) ? SyntaxKind.PostDecrementExpression : SyntaxKind.PostIncrementExpression, ((PostfixUnaryExpressionSyntax)node.Expression).Operand)));
        base.VisitExpressionStatement(node);
    }

    public override void VisitThrowStatement(ThrowStatementSyntax node) => Add("throw", node, null);

    public override void VisitThrowExpression(ThrowExpressionSyntax node)
    {
        // An error's own words are no behaviour that a border or a sign is about.
    }

    public override void VisitYieldStatement(YieldStatementSyntax node)
    {
        if (node.Expression is not null)
            Add("statement", node, null);
        base.VisitYieldStatement(node);
    }

    public override void VisitReturnStatement(ReturnStatementSyntax node)
    {
        Result(node.Expression);
        base.VisitReturnStatement(node);
    }

    public override void VisitArrowExpressionClause(ArrowExpressionClauseSyntax node)
    {
        Result(node.Expression);
        base.VisitArrowExpressionClause(node);
    }

    public override void VisitAttributeList(AttributeListSyntax node)
    {
    }

    public override void VisitParameterList(ParameterListSyntax node)
    {
    }

    public override void VisitInterpolatedStringExpression(InterpolatedStringExpressionSyntax node)
    {
    }

    public override void VisitEnumMemberDeclaration(EnumMemberDeclarationSyntax node)
    {
    }

    public override void VisitCaseSwitchLabel(CaseSwitchLabelSyntax node)
    {
    }

    public override void VisitConstantPattern(ConstantPatternSyntax node)
    {
    }

    public override void VisitRelationalPattern(RelationalPatternSyntax node)
    {
    }

    public override void VisitFieldDeclaration(FieldDeclarationSyntax node)
    {
        if (!IsStatic(node.Modifiers))
            base.VisitFieldDeclaration(node);
    }

    public override void VisitPropertyDeclaration(PropertyDeclarationSyntax node)
    {
        if (!IsStatic(node.Modifiers) || node.Initializer is null)
            base.VisitPropertyDeclaration(node);
    }

    public override void VisitConstructorDeclaration(ConstructorDeclarationSyntax node)
    {
        if (!IsStatic(node.Modifiers))
            base.VisitConstructorDeclaration(node);
    }

    public override void VisitLocalDeclarationStatement(LocalDeclarationStatementSyntax node)
    {
        if (!IsStatic(node.Modifiers))
            base.VisitLocalDeclarationStatement(node);
    }

    private static bool IsStatic(SyntaxTokenList modifiers) => modifiers.Any(SyntaxKind.StaticKeyword) || modifiers.Any(SyntaxKind.ConstKeyword);

    private static PrefixUnaryExpressionSyntax Not(ExpressionSyntax node) => PrefixUnaryExpression(SyntaxKind.LogicalNotExpression, ParenthesizedExpression(node));

    // Comparisons and signs have changes of their own that do the same.
    private void Condition(ExpressionSyntax condition, Action inside)
    {
        var isCovered = condition is IsPatternExpressionSyntax || Operators.Others(condition.Kind()).Any() || condition.IsKind(SyntaxKind.LogicalNotExpression);
        if (!isCovered)
            Add("condition", condition, Not(condition));
        inside();
    }

    private void Result(ExpressionSyntax? result)
    {
        if (result is not null and not (LiteralExpressionSyntax or ThrowExpressionSyntax or AssignmentExpressionSyntax or DefaultExpressionSyntax))
            Add("result", result, ParseExpression("default!"));
    }

    private void Add(string kind, SyntaxNode site, SyntaxNode? changed) =>
        found.Add(new Mutant(path, site.GetLocation().GetLineSpan().StartLinePosition.Line + 1, kind, site.ToString(), changed?.NormalizeWhitespace().ToString() ?? "", site, changed));
}
