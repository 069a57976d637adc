using System.Reflection;
using System.Text.Json;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace LmKit.Mutation;

/// <summary>LmKit.Core as its project compiles it: sources, references, options and source generators.</summary>
internal sealed class CoreCompilation
{
    private const string Project = "src/LmKit.Core/LmKit.Core.csproj";
    private static readonly string[] folders =
    [
        "Checkpoints", "Components/Attention", "Components/Masks", "Components/Mixing", "Components/Positions", "Components/Samplers",
        "Contracts", "Foundation/Files", "Generation", "Text/Chat", "Text/Data", "Training",
    ];

    // The generators that Core uses; one that it comes to use later shows as code that does not compile.
    private static readonly Dictionary<string, string> generatorTypes = new()
    {
        ["Microsoft.Interop.LibraryImportGenerator.dll"] = "Microsoft.Interop.LibraryImportGenerator",
        ["System.Text.RegularExpressions.Generator.dll"] = "System.Text.RegularExpressions.Generator.RegexGenerator",
    };

    private readonly CSharpParseOptions parsing;
    private readonly ISourceGenerator[] generators;

    internal CoreCompilation()
    {
        var command = CSharpCommandLineParser.Default.Parse(Arguments(), Path.Combine(Repository.Root, "src", "LmKit.Core"), sdkDirectory: null);
        parsing = command.ParseOptions.WithDocumentationMode(DocumentationMode.None);
        generators = [.. command.AnalyzerReferences.SelectMany(reference => Generators(reference.FilePath))];
        var trees = command.SourceFiles.Select(file => CSharpSyntaxTree.ParseText(File.ReadAllText(file.Path), parsing, file.Path));
        var options = command.CompilationOptions.WithGeneralDiagnosticOption(ReportDiagnostic.Suppress).WithDeterministic(true);
        Original = CSharpCompilation.Create("LmKit.Core", trees, command.MetadataReferences.Select(reference => MetadataReference.CreateFromFile(reference.Reference)), options);
    }

    internal CSharpCompilation Original { get; }

    /// <summary>The files whose changes are looked for.</summary>
    internal IEnumerable<SyntaxTree> Chosen =>
        from tree in Original.SyntaxTrees
        let path = Repository.Relative(tree.FilePath)
        where folders.Any(folder => path.StartsWith($"src/LmKit.Core/{folder}/", StringComparison.Ordinal))
        orderby path
        select tree;

    internal SyntaxTree Parse(string text, string path) => CSharpSyntaxTree.ParseText(text, parsing, path);

    /// <summary>A compilation with what its generators add.</summary>
    internal Compilation Complete(CSharpCompilation compilation)
    {
        _ = CSharpGeneratorDriver.Create(generators, parseOptions: parsing).RunGeneratorsAndUpdateCompilation(compilation, out var complete, out _);
        return complete;
    }

    private static IEnumerable<ISourceGenerator> Generators(string path)
    {
        if (!generatorTypes.TryGetValue(Path.GetFileName(path), out var name))
            return [];
        foreach (var beside in Directory.EnumerateFiles(Path.GetDirectoryName(path)!, "Microsoft.Interop.SourceGeneration.dll"))
            _ = Assembly.LoadFrom(beside);
        var type = Assembly.LoadFrom(path).GetType(name, throwOnError: true)!;
        return [((IIncrementalGenerator)Activator.CreateInstance(type)!).AsSourceGenerator()];
    }

    private static IEnumerable<string> Arguments()
    {
        string[] properties = ["Configuration=Release", "DesignTimeBuild=true", "SkipCompilerExecution=true", "ProvideCommandLineArgs=true", "NonExistentFile=__none__", "BuildProjectReferences=false"];
        var output = Repository.Run("dotnet", ["msbuild", Project, "-nologo", .. properties.Select(property => $"-p:{property}"), "-t:ResolveReferences;CoreCompile", "-getItem:CscCommandLineArgs"]);
        using var json = JsonDocument.Parse(output);
        return [.. json.RootElement.GetProperty("Items").GetProperty("CscCommandLineArgs").EnumerateArray().Select(item => item.GetProperty("Identity").GetString()!)];
    }
}
