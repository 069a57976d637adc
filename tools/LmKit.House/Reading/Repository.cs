namespace LmKit.House;

/// <summary>The repository's files, found by walking up from the running program to LmKit.sln.</summary>
internal static class Repository
{
    private static readonly string[] builtFolders = ["bin", "obj", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts"];

    internal static string Root { get; } = FindRoot();

    /// <summary>Names of the published packages: the folders of src.</summary>
    internal static IReadOnlyList<string> Packages { get; } =
        [.. Directory.GetDirectories(Path.Combine(Root, "src")).Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];

    internal static IReadOnlyList<SourceFile> Files(string folder, params string[] extensions)
    {
        var start = Path.Combine(Root, folder);
        return Directory.Exists(start)
            ? [.. Walk(start).Where(path => extensions.Contains(Path.GetExtension(path))).Order(StringComparer.Ordinal).Select(Read)]
            : [];
    }

    internal static IEnumerable<string> Folders(string folder)
    {
        var start = Path.Combine(Root, folder);
        return Directory.Exists(start) ? Children(start).SelectMany(child => Folders(Relative(child)).Prepend(Relative(child))) : [];
    }

    internal static bool Exists(string relative) => File.Exists(Path.Combine(Root, relative));

    internal static SourceFile Read(string path) => new(Relative(Path.Combine(Root, path)), File.ReadAllText(Path.Combine(Root, path)));

    private static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    private static IEnumerable<string> Children(string folder) =>
        Directory.GetDirectories(folder).Where(child => !builtFolders.Contains(Path.GetFileName(child)));

    private static IEnumerable<string> Walk(string folder) => Directory.GetFiles(folder).Concat(Children(folder).SelectMany(Walk));

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No LmKit.sln above {AppContext.BaseDirectory}; run this from a build inside the repository.");
    }
}
