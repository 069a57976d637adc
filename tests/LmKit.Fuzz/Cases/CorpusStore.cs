using System.Text.Json;

namespace LmKit.Fuzz;

/// <summary>The committed valid files: a folder for each target, in it one for each valid case, and the digests of what they hold.</summary>
internal static class CorpusStore
{
    private const string ManifestName = "manifest.json";
    private const string Refused = "refused";
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true, NewLine = "\n" };

    /// <summary>The repository's folder.</summary>
    internal static string Repository { get; } = Find();

    /// <summary>This project's folder.</summary>
    internal static string Project { get; } = Path.Combine(Repository, "tests", "LmKit.Fuzz");

    internal static string Root { get; } = Path.Combine(Project, "corpus");

    /// <summary>The valid cases of a target, in the order of their names.</summary>
    internal static IReadOnlyList<CaseFiles> Seeds(FuzzTarget target)
    {
        if (target.OwnSeeds is { } own)
            return own;
        var folder = Path.Combine(Root, target.Name);
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateDirectories(folder).Order(StringComparer.Ordinal).Select(seed => CaseFiles.Of(Path.GetFileName(seed), seed))]
            : [];
    }

    /// <summary>The digest of what each valid case holds, by TARGET/CASE.</summary>
    internal static SortedDictionary<string, string> Manifest() =>
        JsonSerializer.Deserialize<SortedDictionary<string, string>>(File.ReadAllText(Path.Combine(Root, ManifestName)))!;

    /// <summary>Writes the whole corpus anew, with its digests.</summary>
    internal static void Write(IEnumerable<FuzzTarget> targets, TextWriter log)
    {
        var manifest = File.Exists(Path.Combine(Root, ManifestName)) ? Manifest() : [];
        foreach (var target in targets)
        {
            var folder = Path.Combine(Root, target.Name);
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
            _ = Directory.CreateDirectory(folder);
            target.Write(folder);
            foreach (var old in manifest.Keys.Where(key => key.StartsWith(target.Name + "/", StringComparison.Ordinal)).ToArray())
                _ = manifest.Remove(old);
            foreach (var (key, reading) in Read([target]))
            {
                manifest[key] = target.IsForeign ? Refused : reading.Value;
                log.WriteLine($"{key}: {reading.Outcome} {reading.Value}{reading.Message}");
            }
        }
        File.WriteAllText(Path.Combine(Root, ManifestName), JsonSerializer.Serialize(manifest, Layout) + "\n");
    }

    /// <summary>Reads every valid case of some targets in this process.</summary>
    internal static IEnumerable<(string Key, CaseReading Reading)> Read(IEnumerable<FuzzTarget> targets)
    {
        LibTorch.EnsureLoaded();
        var folder = Path.Combine(Scratch.Make(), "case");
        try
        {
            foreach (var target in targets)
            {
                foreach (var seed in Seeds(target))
                {
                    seed.WriteTo(folder);
                    yield return ($"{target.Name}/{seed.Seed}", CaseReading.Of(target, folder, seed.Seed, seed.Bytes));
                }
            }
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(folder)!, recursive: true);
        }
    }

    /// <summary>What differs between the committed digests and a reading; nothing where all is well.</summary>
    internal static IEnumerable<string> Differences(IEnumerable<FuzzTarget> targets)
    {
        var manifest = Manifest();
        var left = manifest.Keys.ToHashSet(StringComparer.Ordinal);
        foreach (var (key, reading) in Read(targets))
        {
            _ = left.Remove(key);
            var isRefused = manifest.GetValueOrDefault(key) == Refused;
            if (reading.Outcome != (isRefused ? Outcome.Refused : Outcome.Accepted))
                yield return $"{key}: {reading.Outcome} {reading.Fault}: {reading.Message}";
            else if (!manifest.TryGetValue(key, out var expected))
                yield return $"{key}: the manifest does not know it; run the command 'corpus {key.Split('/')[0]}'";
            else if (!isRefused && expected != reading.Value)
                yield return $"{key}: what was read has the digest {reading.Value}, not {expected}";
        }
        foreach (var key in left.Where(key => targets.Any(target => key.StartsWith(target.Name + "/", StringComparison.Ordinal))))
            yield return $"{key}: the manifest names it and it is not there";
        foreach (var target in targets.Where(target => Seeds(target).Count == 0))
            yield return $"{target.Name}: it has no valid case";
    }

    /// <summary>What is refused of entry points called as they should be; nothing where all is well.</summary>
    internal static IEnumerable<string> Refusals(IEnumerable<FuzzTarget> calls) =>
        Read(calls).Where(read => read.Reading.Outcome != Outcome.Accepted).Select(read => $"{read.Key}: {read.Reading.Outcome} {read.Reading.Fault}: {read.Reading.Message}");

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
                return folder.FullName;
        }
        throw new InvalidOperationException($"No LmKit.sln above {AppContext.BaseDirectory}; run this from a build inside the repository.");
    }
}
