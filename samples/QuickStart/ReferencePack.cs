using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LmKit.QuickStart;

/// <summary>Finds the documentation files that the .NET SDK carries for the compiler and for editors.</summary>
public static class ReferencePack
{
    /// <summary>The folder of XML documentation files of the newest reference pack on this machine.</summary>
    /// <exception cref="DirectoryNotFoundException">No .NET root on this machine has a reference pack with XML files.</exception>
    public static string Find() => Find(DotnetRoots());

    /// <summary>The folder of XML documentation files of the newest reference pack of the first root that has one.</summary>
    /// <param name="roots">Folders that may hold a .NET installation; read only as far as needed.</param>
    /// <exception cref="DirectoryNotFoundException">None of the roots has a reference pack with XML files.</exception>
    public static string Find(IEnumerable<string> roots)
    {
        List<string> tried = [];
        foreach (var root in roots.Where(root => root.Length > 0).Select(Path.GetFullPath))
        {
            var packs = Path.Combine(root, "packs", "Microsoft.NETCore.App.Ref");
            if (tried.Contains(packs))
                continue;

            tried.Add(packs);
            if (Newest(packs) is { } folder)
                return folder;
        }

        throw new DirectoryNotFoundException(
            $"The .NET SDK's reference pack with XML documentation was not found (looked in: {string.Join(", ", tried)}). "
            + "Install the .NET 10 SDK, or train on your own text with --text FILE|FOLDER.");
    }

    private static string? Newest(string packs) =>
        !Directory.Exists(packs)
            ? null
            : Directory.EnumerateDirectories(packs)
                .OrderByDescending(pack => Number(Path.GetFileName(pack)))
                .ThenBy(pack => Path.GetFileName(pack).Contains('-', StringComparison.Ordinal))
                .ThenByDescending(pack => pack, StringComparer.Ordinal)
                .Select(pack => Path.Combine(pack, "ref"))
                .Where(Directory.Exists)
                .SelectMany(reference => Directory.EnumerateDirectories(reference).OrderByDescending(name => name, StringComparer.Ordinal))
                .FirstOrDefault(folder => Directory.EnumerateFiles(folder, "*.xml").Any());

    private static Version Number(string name) =>
        Version.TryParse(name.Split('-')[0], out var version) ? version : new Version(0, 0);

    private static IEnumerable<string> DotnetRoots()
    {
        yield return Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? "";
        yield return Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..");
        yield return Path.GetDirectoryName(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH")) ?? "";
        foreach (var root in ListedSdks())
            yield return root;
    }

    // Lines such as "10.0.100 [/usr/share/dotnet/sdk]".
    private static IEnumerable<string> ListedSdks()
    {
        string listing;
        try
        {
            using var dotnet = Process.Start(new ProcessStartInfo("dotnet", "--list-sdks") { RedirectStandardOutput = true, UseShellExecute = false });
            listing = dotnet?.StandardOutput.ReadToEnd() ?? "";
            dotnet?.WaitForExit();
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // No dotnet on the path: one place fewer to look in.
            yield break;
        }

        foreach (var line in listing.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var folder = line.IndexOf('[', StringComparison.Ordinal);
            if (folder >= 0)
                yield return Path.GetDirectoryName(line[(folder + 1)..].TrimEnd(']')) ?? "";
        }
    }
}
