using System.Text.Json;
using System.Text.Json.Serialization;

namespace LmKit.Fuzz;

/// <summary>The committed table of hostile cases, and the run that compares it with what readers do.</summary>
internal static class HostileTable
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    internal static string Folder { get; } = Path.Combine(CorpusStore.Project, "hostile");

    private static string Table { get; } = Path.Combine(Folder, "table.json");

    internal static IReadOnlyList<HostileRow> Rows() => JsonSerializer.Deserialize<List<HostileRow>>(File.ReadAllText(Table), Layout)!;

    /// <summary>Every case: the committed ones in the table's order, then those that are made.</summary>
    internal static IEnumerable<HostileCase> Cases() =>
        Rows().Where(row => row.Files is not null)
            .Select(row => new HostileCase(row.Name, row.Target, row.Seed, row.Expected, () => row.Files!.ToDictionary(file => file.Key, file => File.ReadAllBytes(Path.Combine(Folder, file.Value)))))
            .Concat(MadeCases.All());

    /// <summary>Reads every case in a child process, prints what came of it, and says whether all is as the table has it.</summary>
    /// <param name="log">Where the lines go.</param>
    /// <param name="filter">A part of the names of the cases to read; null for all.</param>
    /// <param name="records">Whether what good readings showed is written into the table.</param>
    internal static bool Run(TextWriter log, string? filter, bool records)
    {
        var rows = Rows().ToDictionary(row => row.Name, StringComparer.Ordinal);
        var (count, faults) = (0, 0);
        var seen = new List<string>();
        using var worker = new WorkerProcess();
        foreach (var hostile in Cases())
        {
            seen.Add(hostile.Name);
            if (filter is not null && !hostile.Name.Contains(filter, StringComparison.Ordinal))
                continue;
            var row = rows.GetValueOrDefault(hostile.Name);
            if (row is null && records)
                row = new HostileRow(hostile.Name, hostile.Target, hostile.Seed, null, hostile.Expected, null, null);
            var reading = Read(worker, hostile);
            if (row is not null && records)
                rows[hostile.Name] = row = (row with { Expected = hostile.Expected, Exception = null, Value = null }).Recorded(reading);
            var fault = row is null ? "the table has no such row; run 'hostile --record'" : row.Fault(reading);
            count++;
            faults += fault is null ? 0 : 1;
            log.WriteLine($"{(fault is null ? "ok  " : "FAIL")} {hostile.Name,-64} {hostile.Target,-24} {reading.Outcome,-9} {reading.Fault,-28} {reading.ProcessorTime.TotalSeconds,5:0.00} s {reading.PeakBytes >> 20,5} MiB{(fault is null ? "" : "  " + Short(fault))}");
        }
        string[] gone = filter is null ? [.. rows.Keys.Except(seen)] : [];
        foreach (var name in gone)
            log.WriteLine($"FAIL {name}: the table names it and it is not there");
        if (records)
            File.WriteAllText(Table, JsonSerializer.Serialize(rows.Values.Where(row => !gone.Contains(row.Name)).OrderBy(row => seen.IndexOf(row.Name)), Layout) + "\n");
        log.WriteLine($"{count} hostile cases, {faults} not as the table has them");
        return faults == 0 && gone.Length == 0;
    }

    // What a busy machine or an earlier case may be at fault for counts if it happens again, in a process that has read nothing else.
    private static CaseReading Read(WorkerProcess worker, HostileCase hostile)
    {
        var (target, made) = (TargetList.Find(hostile.Target), hostile.Made());
        var reading = SingleCase.Read(worker, target, made);
        if (reading.Outcome is not (Outcome.Hang or Outcome.Memory))
            return reading;
        using var alone = new WorkerProcess();
        return SingleCase.Read(alone, target, made);
    }

    private static string Short(string text) => (text.Length > 240 ? text[..240] + "..." : text).ReplaceLineEndings(" ");
}
