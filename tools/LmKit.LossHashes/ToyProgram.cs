using System.Xml.Linq;

namespace LmKit.LossHashes;

/// <summary>A program that trains at toy size.</summary>
/// <param name="Name">What the record calls it.</param>
/// <param name="Project">Its project, from the repository's root; tells people how to run it alone.</param>
/// <param name="Assembly">What is run.</param>
/// <param name="Arguments">With which arguments, beside the folder for what it writes.</param>
internal sealed record ToyProgram(string Name, string Project, string Assembly, IReadOnlyList<string> Arguments)
{
    // Snippets are for the READMEs, and CI runs them on the packages; PublishedModel chats and trains nothing, and a test runs it on tiny folders.
    private static readonly string[] notTrained = ["Snippets", "PublishedModel"];

    private const string Untrained = "ssm-extrapolation"; // asks a trained model

    private static readonly string[] ReadersOfDocumentation = ["quickstart", "ssm-language", "ssm-state-passing", "longcontext-length", "longcontext-hybrid", "longcontext-published"];

    /// <summary>Whether it must record losses.</summary>
    internal bool Trains => Name != Untrained;

    /// <summary>How far its losses may be from those of another machine, relative to the larger one.</summary>
    /// <remarks>DiDi-Instruct divides rewards by their small spread within a group, and so their rounding too.</remarks>
    internal double Tolerance => Name == "diffusiontext" ? 1e-3 : 1e-5;

    /// <summary>Whether its text is the reference documentation of the installed SDK.</summary>
    internal bool ReadsDocumentation => ReadersOfDocumentation.Contains(Name);

    /// <summary>How a person runs it.</summary>
    internal string Command => $"dotnet run -c Release --project {Project} -- {string.Join(' ', Arguments)}";

    /// <summary>Every sample that is a program and trains, and every experiment that the experiments list.</summary>
    /// <param name="root">The repository's root.</param>
    /// <param name="built">Where a project's outputs are, from its folder: <c>bin/Release/net10.0</c>.</param>
    internal static async Task<IReadOnlyList<ToyProgram>> FindAsync(string root, string built)
    {
        List<ToyProgram> programs = [];
        foreach (var project in Programs(root, "samples"))
            programs.Add(new ToyProgram(Path.GetFileName(project.Folder).ToLowerInvariant(), Relative(root, project.Folder), Built(project, built), ["--toy"]));
        foreach (var project in Programs(root, "experiments"))
        {
            var list = await ChildProcess.RunAsync(Built(project, built), ["list"], root, new Dictionary<string, string>());
            if (list.ExitCode != 0)
                throw new InvalidDataException($"{project.Folder} does not list its experiments (exit code {list.ExitCode}):\n{list.Tail()}");
            foreach (var line in list.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                var name = line.Split(' ')[0];
                programs.Add(new ToyProgram(name, Relative(root, project.Folder), Built(project, built), [name, "--toy", "--seed", "0"]));
            }
        }
        return programs;
    }

    private static IEnumerable<(string Folder, string Assembly)> Programs(string root, string area)
    {
        foreach (var path in Directory.EnumerateFiles(Path.Combine(root, area), "*.csproj", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
        {
            var properties = XDocument.Load(path).Descendants("PropertyGroup").Elements().ToLookup(element => element.Name.LocalName, element => element.Value);
            if (properties["OutputType"].LastOrDefault() == "Exe" && !notTrained.Contains(Path.GetFileNameWithoutExtension(path)))
                yield return (Path.GetDirectoryName(path)!, properties["AssemblyName"].LastOrDefault() ?? Path.GetFileNameWithoutExtension(path));
        }
    }

    private static string Built((string Folder, string Assembly) project, string built)
    {
        var path = Path.Combine(project.Folder, built, project.Assembly + ".dll");
        return File.Exists(path) ? path : throw new FileNotFoundException($"{path} is not built.");
    }

    private static string Relative(string root, string folder) => Path.GetRelativePath(root, folder).Replace('\\', '/');
}
