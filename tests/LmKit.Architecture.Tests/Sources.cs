using System.Collections.Concurrent;
using Microsoft.CodeAnalysis;

namespace LmKit.Architecture.Tests;

/// <summary>The packages as the compiler understands them, read once for all tests.</summary>
internal static class Sources
{
    private static readonly Lazy<IReadOnlyList<Package>> packages = new(Package.ReadAll);
    private static readonly ConcurrentDictionary<string, Lazy<IReadOnlySet<TypeUse>>> uses = new();

    internal static IReadOnlyList<Package> Packages => packages.Value;

    internal static IReadOnlySet<TypeUse> Uses(Package package) => uses.GetOrAdd(package.Name, _ => new(() => TypeUses.In(package))).Value;

    /// <summary>The type and its bases, then its interfaces, without their type arguments.</summary>
    internal static IEnumerable<string> Ancestry(INamedTypeSymbol type)
    {
        for (var above = type; above is not null; above = above.BaseType)
            yield return above.Name;
        foreach (var implemented in type.AllInterfaces)
            yield return implemented.Name;
    }

    /// <summary>Lines from the first to the last of each declaration, documentation apart.</summary>
    internal static int Lines(INamedTypeSymbol type) =>
        type.DeclaringSyntaxReferences.Sum(reference => reference.SyntaxTree.GetLineSpan(reference.Span) is var span ? span.EndLinePosition.Line - span.StartLinePosition.Line + 1 : 0);
}
