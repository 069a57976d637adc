using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace LmKit.House;

/// <summary>Members of types that are not public are not public either, unless the language or a library's reflection asks for it.</summary>
/// <remarks>Public stay: what implements an interface or overrides a public member of a public type, operators, and of types that JSON or
/// validation reads, properties and constructors.</remarks>
internal sealed class Access
{
    internal const string Rule = "access";

    private readonly IReadOnlyList<Compilation> compilations;
    private readonly HashSet<ISymbol> implementing = new(SymbolEqualityComparer.Default);
    private readonly IReadOnlySet<ITypeSymbol> reflected;

    private Access(IReadOnlyList<Compilation> compilations)
    {
        this.compilations = compilations;
        reflected = ReflectedTypes.In(compilations);
        foreach (var type in compilations.SelectMany(AllTypes).Where(type => type.TypeKind != TypeKind.Interface))
        {
            foreach (var asked in type.AllInterfaces.SelectMany(implemented => implemented.GetMembers()))
            {
                if (type.FindImplementationForInterfaceMember(asked) is { } member)
                    _ = implementing.Add(member.OriginalDefinition);
            }
        }
    }

    /// <summary>The offences of projects that know each other; those of the first ones bind what later ones override.</summary>
    internal static IEnumerable<Offence> In(IReadOnlyList<Compilation> compilations)
    {
        var access = new Access(compilations);
        return compilations.SelectMany(access.Of);
    }

    private IEnumerable<Offence> Of(Compilation compilation) =>
        from tree in compilation.SyntaxTrees
        where tree.FilePath.Length > 0
        let model = compilation.GetSemanticModel(tree)
        from member in tree.GetRoot().DescendantNodes().OfType<MemberDeclarationSyntax>()
        let modifier = member.Modifiers.FirstOrDefault(modifier => modifier.IsKind(SyntaxKind.PublicKeyword))
        where modifier != default && Symbol(model, member) is { ContainingType: not null } symbol && !MayBePublic(symbol)
        let line = tree.GetText().Lines.GetLinePosition(modifier.SpanStart).Line + 1
        let name = Symbol(model, member)!
        select new Offence(
            Rule, tree.FilePath, line, $"{name.ContainingType.Name}.{name.Name} is public in a type that is not",
            [new Edit(tree.FilePath, modifier.Span, "internal"), .. Accessors(member).Select(accessor => new Edit(tree.FilePath, accessor, ""))]);

    private static ISymbol? Symbol(SemanticModel model, MemberDeclarationSyntax member) => member switch
    {
        BaseFieldDeclarationSyntax field => model.GetDeclaredSymbol(field.Declaration.Variables[0]),
        _ => model.GetDeclaredSymbol(member),
    };

    // `internal set` of a property that becomes internal itself.
    private static IEnumerable<TextSpan> Accessors(MemberDeclarationSyntax member) =>
        from accessor in (member as BasePropertyDeclarationSyntax)?.AccessorList?.Accessors ?? []
        from modifier in accessor.Modifiers
        where modifier.IsKind(SyntaxKind.InternalKeyword)
        select TextSpan.FromBounds(modifier.SpanStart, modifier.FullSpan.End);

    private bool MayBePublic(ISymbol symbol)
    {
        if (IsPublic(symbol.ContainingType) || symbol.ContainingType.TypeKind == TypeKind.Interface)
            return true;
        if (HasUnknownBase(symbol.ContainingType) || implementing.Contains(symbol.OriginalDefinition))
            return true;
        if (symbol is IMethodSymbol { MethodKind: MethodKind.UserDefinedOperator or MethodKind.Conversion } or IPropertySymbol { IsIndexer: true, ExplicitInterfaceImplementations.Length: > 0 })
            return true;
        if (symbol is IPropertySymbol or IFieldSymbol or IMethodSymbol { MethodKind: MethodKind.Constructor } && (reflected.Contains(symbol.ContainingType.OriginalDefinition) || symbol.GetAttributes().Length > 0))
            return true;
        // A parameterless constructor may serve a `new()`, and an attribute marks what others find by reflection.
        if (symbol is IMethodSymbol { MethodKind: MethodKind.Constructor, Parameters.Length: 0 })
            return true;
        return Overridden(symbol) is { } overridden && (IsPublic(overridden.ContainingType) || !IsOurs(overridden) || MayBePublic(overridden));
    }

    private bool IsOurs(ISymbol symbol) => compilations.Any(compilation => SymbolEqualityComparer.Default.Equals(compilation.Assembly, symbol.ContainingAssembly));

    private static ISymbol? Overridden(ISymbol symbol) => (symbol switch
    {
        IMethodSymbol method => method.OverriddenMethod,
        IPropertySymbol property => property.OverriddenProperty,
        IEventSymbol handler => (ISymbol?)handler.OverriddenEvent,
        _ => null,
    })?.OriginalDefinition;

    private static bool IsPublic(INamedTypeSymbol? type)
    {
        for (; type is not null; type = type.ContainingType)
        {
            if (type.DeclaredAccessibility is not (Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal))
                return false;
        }
        return true;
    }

    private static bool HasUnknownBase(INamedTypeSymbol type)
    {
        for (var above = type; above is not null; above = above.BaseType)
        {
            if (above.TypeKind == TypeKind.Error || above.AllInterfaces.Any(implemented => implemented.TypeKind == TypeKind.Error))
                return true;
        }
        return false;
    }

    private static IEnumerable<INamedTypeSymbol> AllTypes(Compilation compilation)
    {
        var open = new Stack<INamespaceOrTypeSymbol>([compilation.Assembly.GlobalNamespace]);
        while (open.TryPop(out var space))
        {
            foreach (var member in space.GetMembers().OfType<INamespaceOrTypeSymbol>())
                open.Push(member);
            if (space is INamedTypeSymbol type)
                yield return type;
        }
    }
}
