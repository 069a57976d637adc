using System.Text.Json;

namespace LmKit;

/// <summary>The append-only journal of a run: one record a line, in the order of completion, one writer at a time.</summary>
/// <remarks>Only a short entry of each record is kept in memory; the records themselves stay in the file. Thread-safe.</remarks>
/// <typeparam name="TRecord">What a line holds.</typeparam>
/// <typeparam name="TEntry">What is kept of it.</typeparam>
internal sealed class RecordJournal<TRecord, TEntry> : IDisposable
    where TRecord : class, IJournalRecord
{
    private const int DiskInterval = 32;
    private const string Torn = "its end is missing";

    private readonly FileStream file;
    private readonly Func<TRecord, (string Key, TEntry Entry)> summarize;
    private readonly Dictionary<string, (long Start, int Length, TEntry Entry)> places = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private int unflushed;
    private bool isTorn;

    private RecordJournal(FileStream file, Func<TRecord, (string Key, TEntry Entry)> summarize)
    {
        this.file = file;
        this.summarize = summarize;
    }

    /// <summary>The entry of each record, the last one of its key.</summary>
    internal IEnumerable<(string Key, TEntry Entry)> Entries => places.Select(pair => (pair.Key, pair.Value.Entry));

    /// <summary>Opens a journal, whose folder the caller holds.</summary>
    /// <param name="path">The file.</param>
    /// <param name="summarize">A record's key, and what is kept of it.</param>
    /// <param name="open">Opens the file; without a buffer by default, so that what was not written cannot follow later.</param>
    internal static RecordJournal<TRecord, TEntry> Open(string path, Func<TRecord, (string Key, TEntry Entry)> summarize, Func<string, FileStream>? open = null)
    {
        var file = open?.Invoke(path) ?? Open(path);
        try
        {
            var journal = new RecordJournal<TRecord, TEntry>(file, summarize);
            journal.Scan(path);
            return journal;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static FileStream Open(string path)
    {
        if (Path.Exists(path) && InputFile.Fault(path) is { } fault)
            throw new DatasetException(path, $"{fault}. Take it away, or take another folder.");
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new DatasetException(path, "it may not be read and written: permission is denied.", error);
        }
    }

    internal bool TryGet(string key, out TEntry? entry)
    {
        lock (gate)
        {
            var isThere = places.TryGetValue(key, out var place);
            entry = place.Entry;
            return isThere;
        }
    }

    internal void Append(TRecord record)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(record, JournalJson.Layout), (byte)'\n'];
        var (key, entry) = summarize(record);
        lock (gate)
        {
            if (isTorn)
                throw new DatasetException(file.Name, "an earlier record could not be written and could not be taken back. Make room on the disk, and run again.");
            var start = file.Position;
            try
            {
                file.Write(line);
                file.Flush(flushToDisk: ++unflushed % DiskInterval == 0);
            }
            catch
            {
                TakeBack(start);
                throw;
            }
            places[key] = (start, line.Length - 1, entry);
        }
    }

    /// <summary>A record as it stands in the file.</summary>
    internal TRecord Read(string key)
    {
        lock (gate)
        {
            var (start, length, _) = places[key];
            var line = new byte[length];
            var end = file.Position;
            file.Position = start;
            file.ReadExactly(line);
            file.Position = end;
            return JournalJson.Parse<TRecord>(line, out _) ?? throw new DatasetException(file.Name, "a record changed while it was read; nothing else may write to the journal.");
        }
    }

    public void Dispose()
    {
        try
        {
            file.Flush(flushToDisk: true);
        }
        finally
        {
            file.Dispose();
        }
    }

    // Half a line must not stand before other records: only at the end can a line be torn.
    private void TakeBack(long start)
    {
        isTorn = true;
        file.SetLength(start);
        file.Position = start;
        isTorn = false;
    }

    // A kill can only tear the last line: that is cut off. A bad line elsewhere is damage, and is not passed over in silence.
    private void Scan(string path)
    {
        var (start, number) = (0L, 1);
        (int Number, string Problem)? bad = null;
        foreach (var line in JournalLines.Read(file, path))
        {
            var problem = Torn;
            if (line.IsWhole && JournalJson.Parse<TRecord>(line.Bytes, out problem) is { } record)
            {
                var (key, entry) = summarize(record);
                places[key] = (start, line.Bytes.Length, entry);
                start += line.Bytes.Length + 1;
            }
            else
            {
                bad = (number, problem);
                // A line that has its end was written whole, so a kill did not tear it.
                if (line.IsWhole)
                    break;
            }
            number++;
        }
        if (bad is { Problem: not Torn } damage)
            throw new DatasetException($"{path}:{damage.Number}", $"the line is no record ({damage.Problem}); the file was damaged after it was written. Restore it, or delete the line to redo its item.");
        file.SetLength(start);
        file.Position = start;
    }
}

/// <summary>A record that knows whether its numbers can be.</summary>
internal interface IJournalRecord
{
    /// <summary>The member that cannot be as it is, or null.</summary>
    string? Fault { get; }
}
