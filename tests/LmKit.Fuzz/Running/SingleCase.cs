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
        var seed = seeds.FirstOrDefault(valid => given.Keys.Any(valid.Files.ContainsKey)) ?? seeds[0];
        if (given.Count == 1 && !seed.Files.ContainsKey(given.Keys.First()) && seed.Files.Count == 1)
            given = new Dictionary<string, byte[]> { [seed.Files.Keys.First()] = given.Values.First() };
        return seed.With(given);
    }
}
