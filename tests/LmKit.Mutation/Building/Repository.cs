using System.Diagnostics;

namespace LmKit.Mutation;

/// <summary>Where things lie.</summary>
internal static class Repository
{
    internal static string Root { get; } = Find();

    internal static string Artifacts { get; } = Path.Combine(Root, "artifacts", "mutation");

    /// <summary>A project's own folder.</summary>
    internal static string Here { get; } = Path.Combine(Root, "tests", "LmKit.Mutation");

    internal static string Relative(string path) => Path.GetRelativePath(Root, path).Replace('\\', '/');

    /// <summary>What a command prints; an error with its text when it fails.</summary>
    internal static string Run(string command, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, WorkingDirectory = Root };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{command} {string.Join(' ', start.ArgumentList)} failed:\n{output}");
    }

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException($"{AppContext.BaseDirectory} lies in no copy of the repository.");
    }
}
