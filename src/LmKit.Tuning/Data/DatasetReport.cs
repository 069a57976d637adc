using System.Text.Json;
using System.Text.Json.Serialization;

namespace LmKit;

/// <summary>What a run made.</summary>
/// <param name="Counts">Documents by status, and by the rule that dropped them (status:reason).</param>
/// <param name="InputTokens">Tokens that the teacher read.</param>
/// <param name="OutputTokens">Tokens that the teacher wrote.</param>
/// <param name="Cost">What all documents were charged at the prices that the options state, the detector's requests among it; tokens are counted
/// by us where a client gives no count.</param>
/// <param name="Files">The data set: one record a line, in order.</param>
/// <param name="IsBudgetExhausted">Whether documents were left for want of budget; a run with more of it goes on.</param>
public sealed record DatasetReport(
    IReadOnlyDictionary<string, long> Counts,
    long InputTokens,
    long OutputTokens,
    double Cost,
    [property: JsonIgnore] IReadOnlyList<string> Files,
    bool IsBudgetExhausted)
{
    // What a rule dropped for its size or for its being there twice says nothing about instructions.
    private static readonly string[] OtherReasons = ["filtered:too_short", "filtered:too_large", "filtered:duplicate", "filtered:duplicate_id"];

    /// <summary>Documents in the data set.</summary>
    public long KeptCount => Counts.GetValueOrDefault("ok");

    /// <summary>Kept documents that the detector took for instructions or conversations.</summary>
    public long FlaggedCount { get; init; }

    /// <summary>Kept documents of which the detector gave no answer that can be read.</summary>
    public long UndetectedCount { get; init; }

    /// <summary>Share of the documents that a rule against instructions and chat dropped.</summary>
    public double DroppedShare => Share(Counts.Where(pair => pair.Key.StartsWith("filtered:", StringComparison.Ordinal) && !OtherReasons.Contains(pair.Key)).Sum(pair => pair.Value), Counts.Values.Sum());

    /// <summary>Share of the kept documents that the detector flagged.</summary>
    public double FlaggedShare => Share(FlaggedCount, KeptCount);

    /// <summary>The first file.</summary>
    [JsonIgnore]
    public string DataFile => Files[0];

    private static double Share(long part, long whole) => whole == 0 ? 0 : (double)part / whole;
}

/// <summary>Writes what a run made: the data set in its order, in files of a bounded number of records, and the report.</summary>
internal static class DatasetFiles
{
    private const string ReportName = "report.json";

    internal static DatasetReport Write(RecordJournal<DatasetRecord, DatasetEntry> journal, string folder, DatasetOptions options, bool isBudgetExhausted)
    {
        (string Key, DatasetEntry Entry)[] all = [.. journal.Entries];
        var kept = all.Where(one => one.Entry.Status == "ok");
        string[] ordered = [.. (options.IsShuffled
            ? kept.OrderBy(one => DocumentKey.Of(options.Seed, one.Key)).ThenBy(one => one.Key, StringComparer.Ordinal)
            : kept.OrderBy(one => one.Entry.Ordinal).ThenBy(one => one.Key, StringComparer.Ordinal)).Select(one => one.Key)];
        var files = ordered.Chunk(options.ShardLength).DefaultIfEmpty([]).Select((keys, shard) => WriteShard(journal, Path.Combine(folder, $"data-{shard:D5}.jsonl"), keys)).ToArray();
        var counts = all.CountBy(one => one.Entry.Reason is null ? one.Entry.Status : $"{one.Entry.Status}:{one.Entry.Reason}")
            .OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .ToDictionary(pair => pair.Key, pair => (long)pair.Value);
        var (input, output) = (all.Sum(one => one.Entry.InputTokens), all.Sum(one => one.Entry.OutputTokens));
        var report = new DatasetReport(counts, input, output, all.Sum(one => one.Entry.Cost), files, isBudgetExhausted)
        {
            FlaggedCount = all.LongCount(one => one.Entry.Status == "ok" && one.Entry.IsFlagged),
            UndetectedCount = all.LongCount(one => one.Entry.Status == "ok" && one.Entry.IsUndetected),
        };
        AtomicFile.WriteText(Path.Combine(folder, ReportName), JsonSerializer.Serialize(report, JournalJson.Indented) + "\n");
        return report;
    }

    private static string WriteShard(RecordJournal<DatasetRecord, DatasetEntry> journal, string path, string[] keys)
    {
        AtomicFile.Write(path, stream =>
        {
            foreach (var key in keys)
                stream.Write([.. JsonSerializer.SerializeToUtf8Bytes(journal.Read(key), JournalJson.Layout), (byte)'\n']);
        });
        return path;
    }
}
