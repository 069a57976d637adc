namespace LmKit.Benchmarks.Ratios;

/// <summary>The repository that this program was built in, and the files of it that speak of ratios.</summary>
internal static class RepositoryFiles
{
    private static readonly string[] builtFolders = ["bin", "obj", "artifacts", "TestResults", "BenchmarkDotNet.Artifacts", "golden"];

    /// <summary>The folder of LmKit.sln.</summary>
    /// <exception cref="ArgumentException">There is none above this program or the current folder.</exception>
    internal static string Root => Above(AppContext.BaseDirectory) ?? Above(Environment.CurrentDirectory)
        ?? throw new ArgumentException($"No LmKit.sln above {AppContext.BaseDirectory} or {Environment.CurrentDirectory}; run this inside the repository.");

    /// <summary>The committed table.</summary>
    internal static string Table => Path.Combine(Root, "bench", "LmKit.Benchmarks", "Results", "ratios.md");

    /// <summary>The committed floors.</summary>
    internal static string Floors => Path.Combine(Root, "bench", "LmKit.Benchmarks", "Results", "floors.json");

    /// <summary>Every text that may show figures of the table, below a folder.</summary>
    internal static IReadOnlyList<string> Texts(string root) => [.. Walk(root).Where(path => path.EndsWith(".md", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Walk(string folder) => Directory.GetFiles(folder).Concat(
        Directory.GetDirectories(folder).Where(child => Path.GetFileName(child) is var name && name[0] != '.' && !builtFolders.Contains(name)).SelectMany(Walk));

    private static string? Above(string start)
    {
        var folder = new DirectoryInfo(start);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
            folder = folder.Parent;

        return folder?.FullName;
    }
}
