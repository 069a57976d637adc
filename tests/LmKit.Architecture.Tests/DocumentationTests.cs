using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

namespace LmKit.Architecture.Tests;

/// <summary>CS1591 is an error in src; this makes sure that nothing switches it off and that the file users read is really written.</summary>
public class DocumentationTests
{
    [Fact]
    public void Every_public_type_has_an_entry() =>
        Offenders.None(
            "Every public type has a summary in the package's XML documentation.",
            from package in Repository.Packages
            let documented = Documented(package)
            from type in PublicTypes(package)
            where !documented.Contains($"T:{type}")
            select $"{package}: {type}");

    [Fact]
    public void Missing_documentation_stays_an_error() =>
        Offenders.None(
            "CS1591 stays on for the packages, and the documentation file is generated for all of them.",
            Repository.Files("src", ".csproj", ".props").Append(Repository.Read("build/Library.props")).Append(Repository.Read("Directory.Build.props"))
                .Where(file => file.Text.Contains("CS1591", StringComparison.Ordinal) || file.Text.Contains("<GenerateDocumentationFile>false", StringComparison.OrdinalIgnoreCase))
                .Select(file => file.Path)
                .Concat(Repository.Read("build/Library.props").Text.Contains("<GenerateDocumentationFile>true", StringComparison.Ordinal) ? [] : ["build/Library.props"]));

    private static HashSet<string> Documented(string package)
    {
        var path = Path.Combine(AppContext.BaseDirectory, $"{package}.xml");
        Assert.True(File.Exists(path), $"{path} is missing: {package} is built without its documentation file.");
        return [.. XDocument.Load(path).Descendants("member").Where(member => member.HasElements).Select(member => member.Attribute("name")!.Value)];
    }

    private static IReadOnlyList<string> PublicTypes(string package)
    {
        using var image = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, $"{package}.dll")));
        var metadata = image.GetMetadataReader();
        return [.. metadata.TypeDefinitions.Select(metadata.GetTypeDefinition).Where(type => IsVisible(metadata, type)).Select(type => FullName(metadata, type))];
    }

    private static bool IsVisible(MetadataReader metadata, TypeDefinition type) => (type.Attributes & TypeAttributes.VisibilityMask) switch
    {
        TypeAttributes.Public => true,
        TypeAttributes.NestedPublic => !IsExtensionGroup(metadata, type) && IsVisible(metadata, metadata.GetTypeDefinition(type.GetDeclaringType())),
        _ => false,
    };

    // The compiler turns `extension(T receiver)` blocks into nested types with names no source can write.
    private static bool IsExtensionGroup(MetadataReader metadata, TypeDefinition type) => metadata.GetString(type.Name).StartsWith('<');

    private static string FullName(MetadataReader metadata, TypeDefinition type)
    {
        var name = metadata.GetString(type.Name);
        if (type.IsNested)
            return $"{FullName(metadata, metadata.GetTypeDefinition(type.GetDeclaringType()))}.{name}";

        var space = metadata.GetString(type.Namespace);
        return space.Length == 0 ? name : $"{space}.{name}";
    }
}
