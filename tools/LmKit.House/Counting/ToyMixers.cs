using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>Mixers that somebody outside the packages writes.</summary>
internal static class ToyMixers
{
    /// <summary>The lines, blank ones apart, of each class of a file that is a mixer and calls itself a running sum.</summary>
    internal static IEnumerable<int> In(SourceFile file)
    {
        if (!file.Text.Contains("running sum", StringComparison.OrdinalIgnoreCase))
            return [];
        return from declaration in CSharpSyntaxTree.ParseText(file.Text).GetRoot().DescendantNodes().OfType<ClassDeclarationSyntax>()
               where declaration.BaseList?.Types.Any(type => type.Type.ToString() is "IMixer" or "RowMixer") == true
               where declaration.GetLeadingTrivia().ToFullString().Contains("running sum", StringComparison.OrdinalIgnoreCase)
               select declaration.ToString().Split('\n').Count(line => line.Trim().Length > 0);
    }
}
