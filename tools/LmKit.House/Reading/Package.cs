using System.Reflection.PortableExecutable;
using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.House;

/// <summary>A package as the compiler understands it: its sources, bound against what the running program knows.</summary>
internal sealed class Package
{
    private static readonly CSharpParseOptions parsing = new(LanguageVersion.Latest, DocumentationMode.None);
    private static readonly string[] implicitUsings =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks"];

    // What the program itself runs on: the framework, TorchSharp and the agreed libraries, without our own assemblies.
    private static readonly MetadataReference[] libraries =
        [.. from path in ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            where !Path.GetFileName(path).StartsWith("LmKit.", StringComparison.Ordinal)
            select MetadataReference.CreateFromFile(path)];

    private Package(string name, string folder, CSharpCompilation compilation)
    {
        (Name, Folder, Compilation) = (name, folder, compilation);
        Types = [.. DeclaredTypes()];
    }

    internal string Name { get; }

    /// <summary>Its folder from the root, with forward slashes.</summary>
    internal string Folder { get; }

    internal CSharpCompilation Compilation { get; }

    /// <summary>The types declared outside all others.</summary>
    internal IReadOnlyList<INamedTypeSymbol> Types { get; }

    /// <summary>All packages below src. Every add-on is bound against the sources of LmKit.Core.</summary>
    internal static IReadOnlyList<Package> ReadAll()
    {
        var core = Read("LmKit.Core", [Repository.Read("build/Library.props"), Repository.Read("src/LmKit.Core/LmKit.Core.csproj")], null);
        return [core, .. Repository.Packages.Where(name => name != core.Name).Select(name =>
            Read(name, [Repository.Read("build/Library.props"), Repository.Read($"src/{name}/{name}.csproj")], core))];
    }

    /// <summary>A project outside src, bound against the sources of all packages and against the libraries beside its built program.</summary>
    internal static Package Using(string folder, IReadOnlyList<Package> packages)
    {
        var name = Path.GetFileName(folder);
        var known = libraries.Select(library => Path.GetFileName(library.Display)).ToHashSet();
        var built = Path.Combine(Repository.Root, folder, "bin", "Release", "net10.0");
        var beside = Directory.Exists(built) ? Directory.GetFiles(built, "*.dll").Where(path => !packages.Any(package => Path.GetFileName(path) == $"{package.Name}.dll") && Path.GetFileName(path) != $"{name}.dll" && !known.Contains(Path.GetFileName(path)) && IsManaged(path)) : [];
        var references = packages.Select(package => (MetadataReference)package.Compilation.ToMetadataReference()).Concat(beside.Select(path => MetadataReference.CreateFromFile(path)));
        var items = XDocument.Parse(Repository.Read($"{folder}/{name}.csproj").Text).Descendants().ToList();
        return Create(name, folder, Repository.Files(folder, ".cs"), Included(items, "Using").Append("TorchSharp.Utils").Append("Xunit"), [], references);
    }

    /// <summary>A package of given sources.</summary>
    internal static Package Of(string name, string folder, IEnumerable<SourceFile> files, IEnumerable<string>? usings = null, IEnumerable<string>? friends = null, Package? core = null) =>
        Create(name, folder, files, usings ?? [], friends ?? [], core is null ? [] : [core.Compilation.ToMetadataReference()]);

    private static Package Create(string name, string folder, IEnumerable<SourceFile> files, IEnumerable<string> usings, IEnumerable<string> friends, IEnumerable<MetadataReference> references)
    {
        var known = string.Concat(implicitUsings.Concat(usings).Select(space => $"global using {space};\n"))
            + string.Concat(friends.Select(friend => $"[assembly: System.Runtime.CompilerServices.InternalsVisibleTo(\"{friend}\")]\n"));
        var trees = files.Select(file => CSharpSyntaxTree.ParseText(file.Text, parsing, file.Path)).Prepend(CSharpSyntaxTree.ParseText(known, parsing));
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true, nullableContextOptions: NullableContextOptions.Enable);
        return new Package(name, folder, CSharpCompilation.Create(name, trees, libraries.Concat(references), options));
    }

    /// <summary>The declarations of types outside all others.</summary>
    internal static IEnumerable<MemberDeclarationSyntax> Declarations(SyntaxTree tree) =>
        tree.GetRoot().DescendantNodes(node => node is CompilationUnitSyntax or BaseNamespaceDeclarationSyntax).OfType<MemberDeclarationSyntax>()
            .Where(node => node is BaseTypeDeclarationSyntax or DelegateDeclarationSyntax);

    /// <summary>The path from the root of the file that a type is named after, or of its first file.</summary>
    internal static string FileOf(INamedTypeSymbol type)
    {
        var paths = type.DeclaringSyntaxReferences.Select(reference => reference.SyntaxTree.FilePath).Order(StringComparer.Ordinal).ToList();
        return paths.FirstOrDefault(path => Path.GetFileName(path) == $"{type.Name}.cs") ?? paths[0];
    }

    /// <summary>The folder of a type within its package; empty for the package's root.</summary>
    internal string FolderOf(INamedTypeSymbol type)
    {
        var file = FileOf(type);
        return file.LastIndexOf('/') is var end && end > Folder.Length ? file[(Folder.Length + 1)..end] : "";
    }

    private static Package Read(string name, SourceFile[] projects, Package? core)
    {
        var items = projects.SelectMany(project => XDocument.Parse(project.Text).Descendants()).ToList();
        var files = Repository.Files($"src/{name}", ".cs").Where(file => !file.IsInFolder("buildTransitive"));
        return Of(name, $"src/{name}", files, Included(items, "Using"), Included(items, "InternalsVisibleTo"), core);
    }

    private static bool IsManaged(string path)
    {
        using var image = new PEReader(File.OpenRead(path));
        return image.HasMetadata;
    }

    private static IEnumerable<string> Included(IEnumerable<XElement> items, string kind) =>
        items.Where(item => item.Name.LocalName == kind).Select(item => item.Attribute("Include")?.Value).OfType<string>();

    private IEnumerable<INamedTypeSymbol> DeclaredTypes() =>
        (from tree in Compilation.SyntaxTrees
         where tree.FilePath.Length > 0
         let model = Compilation.GetSemanticModel(tree)
         from node in Declarations(tree)
         select (INamedTypeSymbol)model.GetDeclaredSymbol(node)!).Distinct<INamedTypeSymbol>(SymbolEqualityComparer.Default);
}
