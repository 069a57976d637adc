using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>A type uses another of its package: names it, holds a value of it, or calls what it declares. Both are types outside all others.</summary>
/// <param name="From">The user.</param>
/// <param name="To">What it uses.</param>
/// <param name="File">The file in which it does.</param>
internal sealed record TypeUse(INamedTypeSymbol From, INamedTypeSymbol To, string File)
{
    public bool Equals(TypeUse? other) => other is not null && SymbolEqualityComparer.Default.Equals(From, other.From) && SymbolEqualityComparer.Default.Equals(To, other.To) && File == other.File;

    public override int GetHashCode() => HashCode.Combine(SymbolEqualityComparer.Default.GetHashCode(From), SymbolEqualityComparer.Default.GetHashCode(To), File);
}

/// <summary>Finds which types of a package use which others of it.</summary>
internal static class TypeUses
{
    /// <summary>Every use; documentation and nameof do not count.</summary>
    /// <exception cref="InvalidOperationException">Names were found that mean nothing: the reading would miss arrows.</exception>
    internal static IReadOnlySet<TypeUse> In(Package package)
    {
        var (uses, unknown) = (new HashSet<TypeUse>(), new List<string>());
        var names = Names(package);
        foreach (var tree in package.Compilation.SyntaxTrees.Where(tree => tree.FilePath.Length > 0))
        {
            var model = package.Compilation.GetSemanticModel(tree);
            foreach (var declaration in Package.Declarations(tree))
            {
                var from = (INamedTypeSymbol)model.GetDeclaredSymbol(declaration)!;
                foreach (var node in declaration.DescendantNodes(node => !IsNameof(node)).Where(node => IsAsked(node, names)))
                {
                    var symbol = model.GetSymbolInfo(node);
                    if (symbol.Symbol is null && IsUnknown(model, node))
                        unknown.Add($"{tree.FilePath}: {node}");
                    if (Declaring(symbol.Symbol ?? symbol.CandidateSymbols.FirstOrDefault()) is { } to
                        && !SymbolEqualityComparer.Default.Equals(from, to) && SymbolEqualityComparer.Default.Equals(to.ContainingAssembly, package.Compilation.Assembly))
                    {
                        uses.Add(new TypeUse(from, to, tree.FilePath));
                    }
                }
            }
        }
        return unknown.Count == 0 ? uses : throw new InvalidOperationException($"{package.Name}: {unknown.Count} names could not be understood:\n  {string.Join("\n  ", unknown.Take(20))}");
    }

    /// <summary>The outermost type that a symbol is or that declares it.</summary>
    internal static INamedTypeSymbol? Declaring(ISymbol? symbol)
    {
        var type = symbol switch
        {
            INamedTypeSymbol named => named,
            IMethodSymbol method => (method.ReducedFrom ?? method).ContainingType,
            IFieldSymbol or IPropertySymbol or IEventSymbol => symbol.ContainingType,
            _ => null,
        };
        while (type?.ContainingType is { } outer)
            type = outer;
        return type?.OriginalDefinition;
    }

    private static bool IsNameof(SyntaxNode node) => node is InvocationExpressionSyntax { Expression: IdentifierNameSyntax { Identifier.ValueText: "nameof" } };

    // Most names of a source are locals and other libraries' members: only those that something of the package bears are looked up.
    private static HashSet<string> Names(Package package) =>
        [.. package.Compilation.GetSymbolsWithName(_ => true, SymbolFilter.TypeAndMember).Select(symbol => symbol.Name), "var"];

    // Names of types are asked after in any case: one that is not understood must not be passed over.
    private static bool IsAsked(SyntaxNode node, HashSet<string> names) => node switch
    {
        ImplicitObjectCreationExpressionSyntax => true,
        SimpleNameSyntax name => names.Contains(name.Identifier.ValueText) || SyntaxFacts.IsInTypeOnlyContext(name),
        _ => false,
    };

    private static bool IsUnknown(SemanticModel model, SyntaxNode node) =>
        node is SimpleNameSyntax { Identifier.ValueText: not ("var" or "unmanaged" or "notnull" or "_") } && node.Parent is not (NameColonSyntax or NameEqualsSyntax)
        && model.GetTypeInfo(node).Type is IErrorTypeSymbol;
}
