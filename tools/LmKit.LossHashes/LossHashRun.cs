namespace LmKit.LossHashes;

/// <summary>What a command was asked for.</summary>
/// <param name="Only">One program, or null for all.</param>
/// <param name="File">The record, or null for the committed one.</param>
internal sealed record Options(string? Only, string? File)
{
    /// <summary>Reads pairs of names and values; null where there is anything else.</summary>
    internal static Options? Read(string[] options)
    {
        var read = new Options(null, null);
        foreach (var pair in options.Chunk(2))
        {
            if (pair is ["--only", var name])
                read = read with { Only = name };
            else if (pair is ["--file", var path])
                read = read with { File = path };
            else
                return null;
        }
        return read;
    }
}

/// <summary>Runs the programs, and records their losses or compares them with the record.</summary>
internal static class LossHashRun
{
    internal const string Record = "docs/results/loss-hashes.json";
    private const string Kept = "artifacts/loss-hashes";

    internal static readonly string Root = FindRoot();

    /// <summary>Compares with the record.</summary>
    /// <returns>Whether every program ran, recorded losses, and moved none.</returns>
    internal static async Task<bool> CheckAsync(TextWriter console, Options options)
    {
        var recorded = LossRecord.Read(options.File ?? Path.Combine(Root, Record));
        var isSameMachine = recorded.Machine == Machine.Here;
        var documentation = Machine.Documentation();
        if (!isSameMachine)
            console.WriteLine($"Bits cannot be compared: the record is of {recorded.Machine}; this is {Machine.Here}. Losses are compared to a tolerance instead.");
        var programs = await FindAsync(options);
        var movedCount = 0;
        foreach (var program in programs)
        {
            var found = await RunAsync(console, program);
            var comparison = found is null ? new Comparison(false, "failed, or recorded no loss")
                : recorded.Programs.FirstOrDefault(one => one.Name == program.Name) is not { } record ? new Comparison(false, "is not in the record; `record` it")
                : Comparison.Of(record, found, program.Tolerance, isSameMachine);
            if (!comparison.IsSame && found is not null && program.ReadsDocumentation && recorded.Documentation != documentation)
                comparison = new Comparison(true, $"cannot be compared, for it trains on the reference documentation: {recorded.Documentation} in the record, {documentation} here");
            movedCount += Say(console, program.Name, comparison);
        }
        foreach (var gone in options.Only is null ? recorded.Programs.ExceptBy(programs.Select(program => program.Name), record => record.Name) : [])
            movedCount += Say(console, gone.Name, new Comparison(false, "is in the record, but no sample or experiment; `record` again"));
        console.WriteLine(movedCount == 0 ? $"{programs.Count} programs, none moved." : $"{movedCount} of {programs.Count} programs moved or failed; what they recorded and printed is in {Kept}.");
        return movedCount == 0;
    }

    /// <summary>Writes the record; with one program, replaces its entry in a record of this machine.</summary>
    /// <returns>Whether every program ran and recorded losses; else nothing is written.</returns>
    internal static async Task<bool> RecordAsync(TextWriter console, Options options)
    {
        var path = options.File ?? Path.Combine(Root, Record);
        var before = options.Only is null ? null : LossRecord.Read(path);
        if (before is not null && (before.Machine != Machine.Here || before.Documentation != Machine.Documentation()))
            throw new InvalidDataException($"{path} is of {before.Machine} and documentation {before.Documentation}, this is {Machine.Here} and {Machine.Documentation()}; record all programs.");
        var found = new List<ProgramRecord>();
        foreach (var program in await FindAsync(options))
        {
            if (await RunAsync(console, program) is not { } one)
            {
                console.WriteLine("Nothing is written.");
                return false;
            }
            console.WriteLine($"{one.Name}: {one.Count} losses, {one.FigureCount} figures");
            found.Add(one);
        }
        var programs = before is null ? found : [.. before.Programs.Where(one => one.Name != found[0].Name), found[0]];
        new LossRecord(Machine.Here, Machine.Documentation(), [.. programs.OrderBy(one => one.Name, StringComparer.Ordinal)]).Write(path);
        console.WriteLine($"Written to {path}");
        return true;
    }

    private static async Task<IReadOnlyList<ToyProgram>> FindAsync(Options options)
    {
        var programs = await ToyProgram.FindAsync(Root, Path.GetRelativePath(Path.Combine(Root, "tools", "LmKit.LossHashes"), AppContext.BaseDirectory));
        ToyProgram[] chosen = [.. programs.Where(program => options.Only is null || program.Name == options.Only)];
        return chosen.Length > 0 ? chosen : throw new InvalidDataException($"There is no program '{options.Only}', only {string.Join(", ", programs.Select(program => program.Name))}.");
    }

    private static async Task<ProgramRecord?> RunAsync(TextWriter console, ToyProgram program)
    {
        try
        {
            return ProgramRecord.Of(program, await ToyRun.ExecuteAsync(program, Path.Combine(Root, Kept, program.Name)));
        }
        catch (InvalidDataException error)
        {
            console.WriteLine(error.Message);
            return null;
        }
    }

    private static int Say(TextWriter console, string name, Comparison comparison)
    {
        console.WriteLine($"{(comparison.IsSame ? "same " : "MOVED")} {name}: {comparison.Text}");
        return comparison.IsSame ? 0 : 1;
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "LmKit.sln")))
                return folder.FullName;
        }
        throw new InvalidDataException($"There is no LmKit.sln above {AppContext.BaseDirectory}; run this from a build inside the repository.");
    }
}
