using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>Finds the types that drive training: a loop that leads to a backward pass and to an optimizer's step.</summary>
/// <remarks>A call of an abstract, virtual or interface member leads to every body that the packages give it. A way that enters another
/// such type belongs to that type: whoever calls a trainer in a loop is none.</remarks>
internal sealed class TrainingLoops
{
    private readonly Dictionary<IMethodSymbol, List<Call>> calls = new(SymbolEqualityComparer.Default);
    private readonly Dictionary<IMethodSymbol, List<IMethodSymbol>> bodies = new(SymbolEqualityComparer.Default);

    private TrainingLoops(IReadOnlyList<Package> packages)
    {
        foreach (var package in packages)
        {
            foreach (var tree in package.Compilation.SyntaxTrees.Where(tree => tree.FilePath.Length > 0))
                Read(package.Compilation.GetSemanticModel(tree), tree.GetRoot());
        }
    }

    internal static IReadOnlyList<INamedTypeSymbol> In(IReadOnlyList<Package> packages)
    {
        var reading = new TrainingLoops(packages);
        var candidates = reading.Loops(new HashSet<INamedTypeSymbol>(SymbolEqualityComparer.Default));
        return [.. reading.Loops(candidates).OrderBy(type => type.Name, StringComparer.Ordinal)];
    }

    // The owners of loops that reach both; a way ends where it enters another owner in closed.
    private HashSet<INamedTypeSymbol> Loops(HashSet<INamedTypeSymbol> closed)
    {
        var found = new HashSet<INamedTypeSymbol>(SymbolEqualityComparer.Default);
        foreach (var (method, made) in calls)
        {
            var owner = TypeUses.Declaring(method)!;
            if (!found.Contains(owner) && made.Where(call => call.IsInLoop).GroupBy(call => call.Loop).Any(loop => ReachesBoth(owner, loop, closed)))
                found.Add(owner);
        }
        return found;
    }

    private bool ReachesBoth(INamedTypeSymbol owner, IEnumerable<Call> loop, HashSet<INamedTypeSymbol> closed)
    {
        var (seen, open) = (new HashSet<IMethodSymbol>(SymbolEqualityComparer.Default), new Stack<IMethodSymbol>(loop.Select(call => call.Target)));
        var (backward, step) = (false, false);
        while (open.TryPop(out var method))
        {
            if (!seen.Add(method))
                continue;
            backward |= method.Name is "backward" or "Backward" && method.ContainingType.Name is "Tensor" or "TrainingLoss" or "Loss";
            step |= IsStep(method);
            foreach (var body in bodies.GetValueOrDefault(method, []).Append(method))
            {
                if (TypeUses.Declaring(body) is not { } type || (!SymbolEqualityComparer.Default.Equals(type, owner) && closed.Contains(type)))
                    continue;
                foreach (var call in calls.GetValueOrDefault(body, []))
                    open.Push(call.Target);
            }
        }
        return backward && step;
    }

    private static bool IsStep(IMethodSymbol method) =>
        method.Name is "step" && Bases(method.ContainingType).Any(type => type.Name is "Optimizer")
        || method.Name is "Apply" or "Step" && method.ContainingType.Name.EndsWith("Optimizer", StringComparison.Ordinal);

    private static IEnumerable<INamedTypeSymbol> Bases(INamedTypeSymbol? type)
    {
        for (; type is not null; type = type.BaseType)
            yield return type;
    }

    private void Read(SemanticModel model, SyntaxNode root)
    {
        foreach (var declaration in root.DescendantNodes().OfType<BaseMethodDeclarationSyntax>())
        {
            if (model.GetDeclaredSymbol(declaration) is not IMethodSymbol method)
                continue;
            foreach (var given in Given(method))
                Add(bodies, given, method);
            foreach (var node in declaration.DescendantNodes().OfType<InvocationExpressionSyntax>())
            {
                if (model.GetSymbolInfo(node).Symbol is IMethodSymbol target)
                    Add(calls, method, new Call((target.ReducedFrom ?? target).OriginalDefinition, Loop(node, declaration)));
            }
        }
    }

    // What a method is a body of: the members it overrides and the interface members it implements.
    private static IEnumerable<IMethodSymbol> Given(IMethodSymbol method)
    {
        for (var above = method.OverriddenMethod; above is not null; above = above.OverriddenMethod)
            yield return above.OriginalDefinition;
        foreach (var member in method.ContainingType.AllInterfaces.SelectMany(type => type.GetMembers(method.Name).OfType<IMethodSymbol>()))
        {
            if (SymbolEqualityComparer.Default.Equals(method.ContainingType.FindImplementationForInterfaceMember(member), method))
                yield return member.OriginalDefinition;
        }
    }

    private static SyntaxNode? Loop(SyntaxNode node, SyntaxNode end) =>
        node.Ancestors().TakeWhile(ancestor => ancestor != end).FirstOrDefault(ancestor => ancestor is CommonForEachStatementSyntax or ForStatementSyntax or WhileStatementSyntax or DoStatementSyntax);

    private static void Add<T>(Dictionary<IMethodSymbol, List<T>> lists, IMethodSymbol key, T item)
    {
        if (!lists.TryGetValue(key, out var list))
            lists[key] = list = [];
        list.Add(item);
    }

    private sealed record Call(IMethodSymbol Target, SyntaxNode? Loop)
    {
        internal bool IsInLoop => Loop is not null;
    }
}
