using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>Private fields, static and constant ones too, bear no underscore.</summary>
internal static class FieldNames
{
    internal const string Rule = "fields";

    /// <summary>The fields of a file, without edits: syntax alone tells them.</summary>
    internal static IEnumerable<Offence> In(SyntaxTree tree) =>
        from variable in Fields(tree)
        select new Offence(Rule, tree.FilePath, LineOf(variable), $"{variable.Identifier.ValueText} bears an underscore", []);

    /// <summary>The same with edits, where another name is free.</summary>
    internal static IEnumerable<Offence> In(Compilation compilation) =>
        from tree in compilation.SyntaxTrees
        where tree.FilePath.Length > 0
        let model = compilation.GetSemanticModel(tree)
        from variable in Fields(tree)
        select Rename(compilation, (IFieldSymbol)model.GetDeclaredSymbol(variable)!, tree.FilePath, LineOf(variable));

    private static IEnumerable<VariableDeclaratorSyntax> Fields(SyntaxTree tree) =>
        from field in tree.GetRoot().DescendantNodes().OfType<FieldDeclarationSyntax>()
        where !field.Modifiers.Any(modifier => modifier.Kind() is SyntaxKind.PublicKeyword or SyntaxKind.InternalKeyword or SyntaxKind.ProtectedKeyword)
        from variable in field.Declaration.Variables
        where variable.Identifier.ValueText is ['_', not '_', ..]
        select variable;

    private static int LineOf(SyntaxNode node) => node.GetLocation().GetLineSpan().StartLinePosition.Line + 1;

    private static Offence Rename(Compilation compilation, IFieldSymbol field, string path, int line)
    {
        var name = field.Name[1..];
        var edits = new List<Edit>();
        var hindrance = char.IsAsciiLetter(name[0]) && SyntaxFacts.GetKeywordKind(name) == SyntaxKind.None ? TakenBy(field.ContainingType, name) : "a word of the language";
        foreach (var part in field.ContainingType.DeclaringSyntaxReferences.Select(reference => reference.GetSyntax()))
        {
            var model = compilation.GetSemanticModel(part.SyntaxTree);
            foreach (var token in part.DescendantTokens(descendIntoTrivia: true).Where(token => token.IsKind(SyntaxKind.IdentifierToken)))
            {
                if (token.ValueText == name && Steals(model, token, name))
                    hindrance ??= $"line {LineOf(token.Parent!)} means something else by {name}";
                if (token.ValueText == field.Name && Means(model, token, field))
                    edits.Add(new Edit(part.SyntaxTree.FilePath, token.Span, Qualified(model, token, field, name)));
            }
        }
        return new Offence(Rule, path, line, $"{field.Name} bears an underscore" + (hindrance is null ? "" : $" ({name}: {hindrance})"), hindrance is null ? edits : []);
    }

    private static string? TakenBy(INamedTypeSymbol type, string name)
    {
        for (var above = type; above is not null; above = above.BaseType)
        {
            if (above.GetMembers(name).Any(member => SymbolEqualityComparer.Default.Equals(above, type) || member.DeclaredAccessibility != Accessibility.Private))
                return $"a member of {above.Name}";
        }
        return null;
    }

    private static bool IsSelected(SyntaxToken token) => token.Parent switch
    {
        SimpleNameSyntax { Parent: MemberAccessExpressionSyntax access } name => access.Name == name,
        SimpleNameSyntax { Parent: MemberBindingExpressionSyntax or NameColonSyntax or NameEqualsSyntax or QualifiedNameSyntax } => true,
        SimpleNameSyntax { Parent: AssignmentExpressionSyntax { Parent: InitializerExpressionSyntax } assignment } name => assignment.Left == name && assignment.Parent.IsKind(SyntaxKind.ObjectInitializerExpression),
        _ => false,
    };

    // A simple name that now means neither a local nor a parameter would mean the field.
    private static bool Steals(SemanticModel model, SyntaxToken token, string name) =>
        token.Parent is SimpleNameSyntax && !IsSelected(token) && Local(model, token, name) is null;

    private static bool Means(SemanticModel model, SyntaxToken token, IFieldSymbol field)
    {
        if (token.Parent is VariableDeclaratorSyntax variable)
            return SymbolEqualityComparer.Default.Equals(model.GetDeclaredSymbol(variable), field);
        if (token.Parent is not SimpleNameSyntax name)
            return false;
        var found = model.GetSymbolInfo(name);
        var symbol = found.Symbol ?? found.CandidateSymbols.FirstOrDefault() ?? (IsSelected(token) ? field : model.LookupSymbols(token.SpanStart, name: field.Name).FirstOrDefault());
        return SymbolEqualityComparer.Default.Equals(symbol?.OriginalDefinition, field);
    }

    // Where a local or a parameter of the new name is in scope, the field is named in full.
    private static string Qualified(SemanticModel model, SyntaxToken token, IFieldSymbol field, string name) =>
        token.Parent is not SimpleNameSyntax || IsSelected(token) || Local(model, token, name) is null ? name
        : field.IsStatic || field.IsConst ? $"{field.ContainingType.Name}{Arguments(field.ContainingType)}.{name}"
        : $"this.{name}";

    private static string Arguments(INamedTypeSymbol type) => type.TypeParameters.Length == 0 ? "" : $"<{string.Join(", ", type.TypeParameters.Select(parameter => parameter.Name))}>";

    // A primary constructor's parameter is hidden by a field, except where fields get their first values.
    private static ISymbol? Local(SemanticModel model, SyntaxToken token, string name) =>
        model.LookupSymbols(token.SpanStart, name: name).FirstOrDefault(symbol => symbol.Kind is SymbolKind.Local or SymbolKind.Parameter or SymbolKind.RangeVariable
            && (!IsPrimary(symbol) || token.Parent!.Ancestors().Any(node => node is EqualsValueClauseSyntax { Parent: PropertyDeclarationSyntax or VariableDeclaratorSyntax { Parent.Parent: FieldDeclarationSyntax } } or PrimaryConstructorBaseTypeSyntax)));

    private static bool IsPrimary(ISymbol symbol) =>
        symbol is IParameterSymbol { ContainingSymbol: IMethodSymbol { MethodKind: MethodKind.Constructor } constructor } && constructor.DeclaringSyntaxReferences.Any(reference => reference.GetSyntax() is TypeDeclarationSyntax);
}
