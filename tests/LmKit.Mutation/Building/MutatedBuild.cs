using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace LmKit.Mutation;

/// <summary>One assembly that holds every chosen change behind a switch, beside a copy of Core's tests.</summary>
internal sealed class MutatedBuild(CoreCompilation core, TextWriter log)
{
    /// <summary>Where the tests run.</summary>
    internal static string Folder { get; } = Path.Combine(Repository.Artifacts, "bin");

    /// <summary>Builds as many changes as each sample wants of those that compile.</summary>
    /// <param name="named">Changes that must be in it.</param>
    /// <param name="samples">Samples to fill.</param>
    internal void Make(IReadOnlyList<Mutant> named, IReadOnlyList<Sample> samples)
    {
        while (true)
        {
            foreach (var sample in samples)
                sample.Fill();
            Mutant[] all = [.. named.Concat(samples.SelectMany(sample => sample.Taken)).Distinct()];
            for (var id = 0; id < all.Length; id++)
                all[id].Id = id;
            var compilation = core.Complete(Switched(all));
            var errors = compilation.GetDiagnostics().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).ToArray();
            if (errors.Length == 0)
            {
                Write(compilation);
                return;
            }
            var dropped = errors.SelectMany(error => AtFault(error, all)).ToHashSet();
            if (dropped.FirstOrDefault(named.Contains) is { } broken)
                throw new InvalidOperationException($"{broken.Text} does not compile: {errors[0]}");
            if (dropped.Count == 0)
                throw new InvalidOperationException($"The changed sources do not compile: {errors[0]}");
            log.WriteLine($"{dropped.Count} changes do not compile; others take their place");
            foreach (var sample in samples)
                _ = sample.Taken.RemoveAll(dropped.Contains);
        }
    }

    private CSharpCompilation Switched(Mutant[] mutants)
    {
        var compilation = core.Original;
        foreach (var group in mutants.GroupBy(mutant => mutant.Site.SyntaxTree))
        {
            var root = (CSharpSyntaxNode)new MutantWriter(group.ToLookup(mutant => mutant.Site)).Visit(group.Key.GetRoot())!;
            compilation = compilation.ReplaceSyntaxTree(group.Key, CSharpSyntaxTree.Create(root, (CSharpParseOptions)group.Key.Options, group.Key.FilePath));
        }
        var source = MutantWriter.Switch.Replace("COUNT", Math.Max(1, mutants.Length).ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
        return compilation.AddSyntaxTrees(core.Parse(source, "MutantSwitch.cs"));
    }

    // The innermost change around an error; where there is none, every change of the member.
    private static IEnumerable<Mutant> AtFault(Diagnostic error, Mutant[] mutants)
    {
        if (error.Location.SourceTree is not { } tree)
            return [];
        var node = tree.GetRoot().FindNode(error.Location.SourceSpan, getInnermostNodeForTie: true);
        foreach (var around in node.AncestorsAndSelf())
        {
            if (around.GetAnnotations(MutantWriter.Annotation).FirstOrDefault() is { Data: { } id })
                return [mutants[int.Parse(id, CultureInfo.InvariantCulture)]];
        }
        var member = node.AncestorsAndSelf().OfType<MemberDeclarationSyntax>().FirstOrDefault();
        return member is null ? [] : member.GetAnnotatedNodes(MutantWriter.Annotation).Concat(member.DescendantNodes().Where(inner => inner.HasAnnotations(MutantWriter.Annotation)))
            .SelectMany(inner => inner.GetAnnotations(MutantWriter.Annotation))
            .Select(annotation => mutants[int.Parse(annotation.Data!, CultureInfo.InvariantCulture)]);
    }

    private static void Write(Compilation compilation)
    {
        var tests = Path.Combine(Repository.Root, "tests", "LmKit.Core.Tests", "bin", "Release", "net10.0");
        if (!File.Exists(Path.Combine(tests, "LmKit.Core.Tests.dll")))
            throw new FileNotFoundException($"{tests} holds no tests; run `dotnet build -c Release tests/LmKit.Core.Tests` first.");
        if (Directory.Exists(Folder))
            Directory.Delete(Folder, recursive: true);
        foreach (var file in Directory.EnumerateFiles(tests, "*", SearchOption.AllDirectories))
            Take(file, Path.Combine(Folder, Path.GetRelativePath(tests, file)));
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "LmKit.Mutation.*"))
            Take(file, Path.Combine(Folder, Path.GetFileName(file)));
        var result = compilation.Emit(Path.Combine(Folder, "LmKit.Core.dll"));
        if (!result.Success)
            throw new InvalidOperationException($"The changed sources do not compile: {result.Diagnostics.First(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)}");
    }

    // libtorch has hundreds of megabytes, so large files are linked. A link to an assembly would be followed back to the folder of the unchanged one.
    private static void Take(string file, string target)
    {
        _ = Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        if (new FileInfo(file).Length > 16 << 20)
            _ = File.CreateSymbolicLink(target, file);
        else
            File.Copy(file, target);
    }
}
