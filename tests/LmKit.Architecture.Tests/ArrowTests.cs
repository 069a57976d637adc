using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Xml.Linq;

namespace LmKit.Architecture.Tests;

/// <summary>The packages form a star around LmKit.Core, and none of them chooses a native library.</summary>
public class ArrowTests
{
    private const string core = "LmKit.Core";

    private static readonly string[] corePackages =
    [
        "TorchSharp", "Microsoft.ML.Tokenizers", "Microsoft.Extensions.AI.Abstractions", "Microsoft.Extensions.Configuration.Abstractions", "Microsoft.Extensions.DependencyInjection.Abstractions",
        "Microsoft.Extensions.Logging.Abstractions", "Microsoft.Extensions.Options",
    ];

    // What an add-on's own field needs beside Core.
    private static readonly Dictionary<string, string[]> ownPackages = new() { ["LmKit.Tuning"] = ["ZstdSharp.Port", "Microsoft.Extensions.AI.Abstractions"] };

    private static readonly string[] analyzers = ["Microsoft.CodeAnalysis.PublicApiAnalyzers", "Microsoft.CodeAnalysis.BannedApiAnalyzers"];
    private static readonly string[] nativePrefixes = ["libtorch", "TorchSharp-", "TorchAudio", "TorchVision"];

    [Fact]
    public void Assemblies_refer_to_core_and_the_agreed_libraries_only() =>
        Offenders.None(
            "LmKit.Core knows the agreed libraries; every other package knows those, LmKit.Core and nothing else of ours.",
            from package in Repository.Packages
            from reference in References(package)
            where !AllowedAssemblies(package).Contains(reference) && !IsFramework(reference)
            select $"{package} -> {reference}");

    [Fact]
    public void Projects_ask_for_core_and_the_agreed_packages_only() =>
        Offenders.None(
            "LmKit.Core asks for the agreed packages; every other project for LmKit.Core and what its own field needs.",
            from package in Repository.Packages
            from reference in Asked($"src/{package}/{package}.csproj")
            where !AllowedPackages(package).Contains(reference)
            select $"{package} -> {reference}");

    [Fact]
    public void No_package_chooses_a_native_library() =>
        Offenders.None(
            "The app chooses CPU or CUDA; nothing under src names a native package or imports LibTorch.targets.",
            from file in Repository.Files("src", ".csproj", ".props", ".targets").Append(Repository.Read("build/Library.props"))
            from reference in Asked(file.Path).Concat(XDocument.Parse(file.Text).Descendants("Import").Select(import => import.Attribute("Project")?.Value ?? ""))
            where nativePrefixes.Any(prefix => reference.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                || reference.Contains("NativeAssets", StringComparison.OrdinalIgnoreCase)
                || reference.EndsWith("LibTorch.targets", StringComparison.OrdinalIgnoreCase)
            select $"{file.Path} -> {reference}");

    [Fact]
    public void The_common_build_file_adds_analyzers_only() =>
        Offenders.None("build/Library.props reaches every package: analyzers only.", Asked("build/Library.props").Except(analyzers));

    private static IEnumerable<string> AllowedPackages(string package) =>
        package == core ? corePackages : ownPackages.GetValueOrDefault(package, []).Append(core);

    private static IEnumerable<string> AllowedAssemblies(string package) =>
        AllowedPackages(package).Concat(corePackages).Select(name => name == "ZstdSharp.Port" ? "ZstdSharp" : name);

    private static IEnumerable<string> Asked(string project)
    {
        var document = XDocument.Parse(Repository.Read(project).Text);
        return document.Descendants("PackageReference").Concat(document.Descendants("Reference")).Select(item => item.Attribute("Include")?.Value ?? "")
            .Concat(document.Descendants("ProjectReference").Select(item => Path.GetFileNameWithoutExtension((item.Attribute("Include")?.Value ?? "").Replace('\\', '/'))));
    }

    private static IReadOnlyList<string> References(string package)
    {
        using var image = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, $"{package}.dll")));
        var metadata = image.GetMetadataReader();
        return [.. metadata.AssemblyReferences.Select(handle => metadata.GetString(metadata.GetAssemblyReference(handle).Name))];
    }

    private static bool IsFramework(string assembly) => File.Exists(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), $"{assembly}.dll"));
}
