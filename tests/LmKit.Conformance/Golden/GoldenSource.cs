using Xunit;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>A folder of golden data with one sub-folder per area.</summary>
/// <param name="Root">The folder; null when there is none.</param>
/// <param name="IsChosen">Whether the user named it, so that an absent area is an error.</param>
/// <param name="IsPartial">Whether files that no check covers are skipped, and counted as skipped, instead of failing.</param>
public sealed record GoldenSource(string? Root, bool IsChosen, bool IsPartial)
{
    /// <summary>Environment variable that names the folder.</summary>
    public const string FolderVariable = "LMKIT_GOLDEN";

    /// <summary>Environment variable that has files without a check skipped when it is 1.</summary>
    public const string PartialVariable = "LMKIT_GOLDEN_PARTIAL";

    /// <summary>The case that stands for an area without data, since a theory needs at least one.</summary>
    public const string NoData = "(no golden data)";

    /// <summary>The repository's <c>tests/golden</c>.</summary>
    public static GoldenSource Repository { get; } = new(RepositoryFolder(), false, false);

    /// <summary>The folder that the environment names, else the repository's <c>tests/golden</c>.</summary>
    public static GoldenSource FromEnvironment()
    {
        var isPartial = Environment.GetEnvironmentVariable(PartialVariable) == "1";
        return Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder
            ? new GoldenSource(Path.GetFullPath(folder), true, isPartial)
            : Repository with { IsPartial = isPartial };
    }

    /// <summary>The longest of some kinds that a file's name starts with; null when it starts with none.</summary>
    public static string? KindOf(string name, IEnumerable<string> kinds) =>
        kinds.Where(kind => name.StartsWith(kind, StringComparison.Ordinal)).MaxBy(kind => kind.Length);

    /// <summary>Names of an area's cases: its files and sub-folders, README.md and hidden ones left out.</summary>
    public IReadOnlyList<string> Cases(string area)
    {
        var names = Root is not null && Directory.Exists(PathOf(area)) ? Entries(PathOf(area), Directory.GetFileSystemEntries) : [];
        return [.. names.DefaultIfEmpty(NoData)];
    }

    /// <summary>The sub-folders; those below the parent of an area (<c>core/models</c>) one by one.</summary>
    /// <param name="known">The areas with a suite.</param>
    public IReadOnlyList<string> Folders(IEnumerable<string> known)
    {
        var (areas, folders) = (known.ToHashSet(), new List<string>());
        if (Root is null || !Directory.Exists(Root))
            return [];
        foreach (var name in Entries(Root, Directory.GetDirectories))
        {
            if (areas.Any(area => area.StartsWith($"{name}/", StringComparison.Ordinal)))
                folders.AddRange(Entries(PathOf(name), Directory.GetFileSystemEntries).Select(inner => $"{name}/{inner}"));
            else
                folders.Add(name);
        }
        return folders;
    }

    /// <summary>A case's file or folder.</summary>
    public string PathOf(string area, string name = "") => Path.Combine(Root!, area, name);

    /// <summary>Runs the check of a case's kind, the longest of the known kinds that its name starts with, and requires that the check used all of the case.</summary>
    /// <param name="area">The area.</param>
    /// <param name="name">One of <see cref="Cases"/>.</param>
    /// <param name="checks">Checks by kind.</param>
    /// <param name="write">Takes remarks for the test's output.</param>
    /// <param name="isMissing">Which tensors of a kind belong to parts that no package computes yet; null for none.</param>
    /// <exception cref="XunitException">The case is of no known kind, is not reproduced, or is not used whole; the message names it.</exception>
    public void Run(string area, string name, IReadOnlyDictionary<string, Action<GoldenCase>> checks, Action<string> write, Func<string, string, bool>? isMissing = null)
    {
        ArgumentNullException.ThrowIfNull(checks);
        ArgumentNullException.ThrowIfNull(write);
        if (name == NoData)
            Assert.Fail($"no golden data for area {area}{(Root is null ? string.Empty : $" in {Root}")}; {FolderVariable} names a folder with one sub-folder per area.");
        if (KindOf(name, checks.Keys) is not { } kind)
        {
            Assert.Fail($"not covered: {name} (area {area}); its kinds are {string.Join(", ", checks.Keys.Order(StringComparer.Ordinal))}. Name the file after its kind, or write a check; {PartialVariable}=1 skips it.");
            return;
        }
        using var scope = NewDisposeScope();
        using var golden = new GoldenCase(PathOf(area, name), kind, tensor => isMissing?.Invoke(kind, tensor) == true);
        var compared = Comparisons.During(() => Check(golden, checks[kind]));
        golden.RequireComplete(compared);
        write($"{name}: kind {kind}, {compared} entries compared");
    }

    // What is no assertion gets the file's name: a shape that does not fit, a tensor that is missing.
    private static void Check(GoldenCase golden, Action<GoldenCase> check)
    {
        try
        {
            check(golden);
        }
        catch (Exception error) when (error is not XunitException)
        {
            throw new XunitException($"{golden.Path}: the check of kind {golden.Kind} met {error.GetType().Name}: {error.Message}", error);
        }
    }

    private static IReadOnlyList<string> Entries(string folder, Func<string, string[]> list) =>
        [.. list(folder).Select(path => Path.GetFileName(path)).Where(name => name != "README.md" && name[0] != '.').Order(StringComparer.Ordinal)];

    private static string? RepositoryFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
                return Path.Combine(folder.FullName, "tests", "golden");
        }
        return null;
    }
}
