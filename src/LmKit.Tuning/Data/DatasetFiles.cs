using System.Text.Json;

namespace LmKit;

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
