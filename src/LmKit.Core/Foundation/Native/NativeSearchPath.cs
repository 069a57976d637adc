using System.Reflection;

namespace LmKit;

/// <summary>The folders in which the runtime looks for the application's native libraries.</summary>
internal static class NativeSearchPath
{
    /// <summary>The runtime's own list, then the folders beside the application and beside <paramref name="assembly"/>.</summary>
    public static IEnumerable<string> Directories(Assembly assembly)
    {
        var listed = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? string.Empty;
        var beside = new[] { AppContext.BaseDirectory, Path.GetDirectoryName(assembly.Location) ?? string.Empty };
        return listed.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Concat(beside.Where(folder => folder.Length > 0)
                .SelectMany(folder => new[] { folder, Path.Combine(folder, "runtimes", "linux-x64", "native") }))
            .Distinct();
    }

    /// <summary>The first file called <paramref name="fileName"/> in <paramref name="directories"/>, or null.</summary>
    public static string? Find(IEnumerable<string> directories, string fileName) =>
        directories.Select(folder => Path.Combine(folder, fileName)).FirstOrDefault(File.Exists);
}
