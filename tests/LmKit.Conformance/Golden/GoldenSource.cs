using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>A folder of golden data with one sub-folder per area.</summary>
/// <param name="Root">The folder; null when there is none.</param>
/// <param name="IsChosen">Whether the user named it, so that an absent area is an error.</param>
/// <param name="IsPartial">Whether files that no check covers are allowed.</param>
public sealed record GoldenSource(string? Root, bool IsChosen, bool IsPartial)
{
    /// <summary>Environment variable that names the folder.</summary>
    public const string FolderVariable = "LMKIT_GOLDEN";

    /// <summary>Environment variable that allows files without a check when it is 1.</summary>
    public const string PartialVariable = "LMKIT_GOLDEN_PARTIAL";

    /// <summary>The case that stands for an area without data, since a theory needs at least one.</summary>
    public const string NoData = "(no golden data)";

    /// <summary>The folder that the environment names, else the repository's <c>tests/golden</c>.</summary>
    public static GoldenSource FromEnvironment()
    {
        var isPartial = Environment.GetEnvironmentVariable(PartialVariable) == "1";
        return Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder
            ? new GoldenSource(Path.GetFullPath(folder), true, isPartial)
            : new GoldenSource(RepositoryFolder(), false, isPartial);
    }

    /// <summary>Names of an area's cases: its files and sub-folders, README.md and hidden ones left out.</summary>
    public IReadOnlyList<string> Cases(string area)
    {
        var names = Folder(area) is { } folder && Directory.Exists(folder)
            ? Directory.GetFileSystemEntries(folder).Select(path => Path.GetFileName(path)).Where(name => name != "README.md" && name[0] != '.').Order(StringComparer.Ordinal)
            : Enumerable.Empty<string>();
        return [.. names.DefaultIfEmpty(NoData)];
    }

    /// <summary>Fails unless every sub-folder is an area that some suite checks.</summary>
    /// <param name="known">The areas with a suite.</param>
    /// <param name="write">Takes a line for each that has none.</param>
    public void RequireKnownAreas(IEnumerable<string> known, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        if (!Directory.Exists(Root))
            return;
        var unknown = Directory.GetDirectories(Root).Select(path => Path.GetFileName(path)).Where(name => name[0] != '.').Except(known).Order(StringComparer.Ordinal).ToList();
        foreach (var area in unknown)
            write($"not covered: {area}");
        if (!IsPartial)
            Assert.True(unknown.Count == 0, $"not covered: {string.Join(", ", unknown)}; no suite has that area. {PartialVariable}=1 allows it.");
    }

    /// <summary>Runs the check of a case's kind, the longest of the known kinds that its name starts with.</summary>
    /// <param name="area">The area.</param>
    /// <param name="name">One of <see cref="Cases"/>.</param>
    /// <param name="checks">Checks by kind.</param>
    /// <param name="write">Takes remarks for the test's output.</param>
    public void Run(string area, string name, IReadOnlyDictionary<string, Action<GoldenCase>> checks, Action<string> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(checks);
        ArgumentNullException.ThrowIfNull(write);
        if (name == NoData)
        {
            ReportNoData(area, write);
            return;
        }
        var kind = checks.Keys.Where(kind => name.StartsWith(kind, StringComparison.Ordinal)).MaxBy(kind => kind.Length);
        if (kind is null)
        {
            write($"not covered: {name}");
            if (!IsPartial)
                Assert.Fail($"not covered: {name} (area {area}); its kinds are {string.Join(", ", checks.Keys.Order(StringComparer.Ordinal))}. {PartialVariable}=1 allows it.");
            return;
        }
        write($"{name}: kind {kind}");
        using var scope = NewDisposeScope();
        using var golden = new GoldenCase(Path.Combine(Folder(area)!, name), kind);
        checks[kind](golden);
        Assert.True(golden.WasRead, $"{name}: the check of kind {kind} read nothing of it.");
    }

    private void ReportNoData(string area, Action<string> write)
    {
        var message = $"no golden data for area {area}{(Root is null ? string.Empty : $" in {Root}")}";
        write(message);
        if (IsChosen && (!IsPartial || !Directory.Exists(Root)))
            Assert.Fail($"{message}; {FolderVariable} names a folder with one sub-folder per area.");
    }

    private string? Folder(string area) => Root is null ? null : Path.Combine(Root, area);

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
