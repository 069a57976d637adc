using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>Finds the types whose public members others read by reflection: what a JSON serializer is given, and options.</summary>
/// <remarks>A type argument or a value that reaches <c>JsonSerializer</c> counts, also through generic methods and types of our own, and so do
/// the types of its properties.</remarks>
internal static class ReflectedTypes
{
    internal static IReadOnlySet<ITypeSymbol> In(IReadOnlyList<Compilation> compilations)
    {
        var uses = compilations.SelectMany(Uses).ToList();
        var found = new HashSet<ITypeSymbol>(SymbolEqualityComparer.Default);
        foreach (var given in uses.Where(use => use.Parameter is null))
            Add(found, given.Type);
        // A type parameter that was found passes on to whatever stands for it.
        for (var before = -1; before != found.Count;)
        {
            before = found.Count;
            foreach (var use in uses.Where(use => use.Parameter is not null && (found.Contains(use.Parameter) || use.Parameter.Name == "TOptions")))
                Add(found, use.Type);
        }
        return found;
    }

    private static void Add(HashSet<ITypeSymbol> found, ITypeSymbol type)
    {
        if (type is IArrayTypeSymbol array)
            Add(found, array.ElementType);
        if (type is not (ITypeParameterSymbol or INamedTypeSymbol) || !found.Add(type.OriginalDefinition))
            return;
        foreach (var argument in (type as INamedTypeSymbol)?.TypeArguments ?? [])
            Add(found, argument);
        for (var above = type; above is not null && above.Locations.Any(location => location.IsInSource); above = above.BaseType)
        {
            foreach (var property in above.GetMembers().OfType<IPropertySymbol>())
                Add(found, property.Type);
        }
    }

    private static IEnumerable<(ITypeParameterSymbol? Parameter, ITypeSymbol Type)> Uses(Compilation compilation)
    {
        foreach (var tree in compilation.SyntaxTrees)
        {
            var model = compilation.GetSemanticModel(tree);
            foreach (var node in tree.GetRoot().DescendantNodes())
            {
                if (node is InvocationExpressionSyntax call && model.GetSymbolInfo(call).Symbol is IMethodSymbol method)
                {
                    if (method.ContainingType.Name == "JsonSerializer")
                    {
                        foreach (var given in call.ArgumentList.Arguments.Select(argument => model.GetTypeInfo(argument.Expression).Type).OfType<ITypeSymbol>().Concat(method.TypeArguments))
                            yield return (null, given);
                    }
                    foreach (var use in method.OriginalDefinition.TypeParameters.Zip(method.TypeArguments))
                        yield return use;
                }
                else if (node is GenericNameSyntax name && model.GetSymbolInfo(name).Symbol is INamedTypeSymbol type)
                {
                    foreach (var use in type.OriginalDefinition.TypeParameters.Zip(type.TypeArguments))
                        yield return use;
                }
            }
        }
    }
}
