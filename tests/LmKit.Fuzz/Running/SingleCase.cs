namespace LmKit.Fuzz;

/// <summary>One case on its own, in a child process.</summary>
internal static class SingleCase
{
    /// <summary>Reads a folder of files, or a file, laid over the first valid case that has a file of that name.</summary>
    internal static CaseReading Read(FuzzTarget target, string path)
    {
        using var worker = new WorkerProcess();
        return Read(worker, target, Over(target, path));
    }

    internal static CaseReading Read(WorkerProcess worker, FuzzTarget target, CaseFiles made)
    {
        var folder = Scratch.Make();
        try
        {
            made.WriteTo(folder);
            return worker.Case(target.Name, made.Seed, folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static CaseFiles Over(FuzzTarget target, string path)
    {
        var seeds = CorpusStore.Seeds(target);
        var given = Directory.Exists(path) ? CaseFiles.Of("", path).Files : new Dictionary<string, byte[]> { [Path.GetFileName(path)] = File.ReadAllBytes(path) };
        var seed = seeds.FirstOrDefault(valid => given.Keys.Any(valid.Files.ContainsKey));
        if (seed is not null || given.Count > 1)
            return (seed ?? seeds[0]).With(given);
        // A file that was kept under a longer name, or one for a reader of a single file.
        var (name, bytes) = given.First();
        seed = seeds.FirstOrDefault(valid => valid.Files.Keys.Any(file => name.EndsWith(Path.GetFileName(file), StringComparison.Ordinal))) ?? seeds[0];
        return seed.With([KeyValuePair.Create(seed.Files.Keys.FirstOrDefault(file => name.EndsWith(Path.GetFileName(file), StringComparison.Ordinal)) ?? seed.Files.Keys.First(), bytes)]);
    }
}
