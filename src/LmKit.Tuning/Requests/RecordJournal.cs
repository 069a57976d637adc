using System.Text.Json;

namespace LmKit;

/// <summary>The append-only journal of a run: one record a line, in the order of completion, one writer at a time.</summary>
/// <remarks>Only a short entry of each record is kept in memory; the records themselves stay in the file. Thread-safe.</remarks>
/// <typeparam name="TRecord">What a line holds.</typeparam>
/// <typeparam name="TEntry">What is kept of it.</typeparam>
internal sealed class RecordJournal<TRecord, TEntry> : IDisposable
    where TRecord : class
{
    private const int DiskInterval = 32;
    private const int ReadLength = 1 << 16;

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
        var file = open?.Invoke(path) ?? new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
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
            return JournalJson.Parse<TRecord>(line) ?? throw new DatasetException(file.Name, "a record changed while it was read; nothing else may write to the journal.");
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
        long? bad = null;
        foreach (var line in Lines())
        {
            if (bad is { } place)
                throw new DatasetException($"{path}:{place}", "the line is no record; the file was damaged after it was written. Restore it, or delete the line to redo its item.");
            if (line.IsWhole && JournalJson.Parse<TRecord>(line.Bytes) is { } record)
            {
                var (key, entry) = summarize(record);
                places[key] = (start, line.Bytes.Length, entry);
                start += line.Bytes.Length + 1;
            }
            else
            {
                bad = number;
            }
            number++;
        }
        file.SetLength(start);
        file.Position = start;
    }

    private IEnumerable<(byte[] Bytes, bool IsWhole)> Lines()
    {
        var buffer = new byte[ReadLength];
        using var line = new MemoryStream();
        for (int count; (count = file.Read(buffer)) > 0;)
        {
            for (var at = 0; at < count;)
            {
                var length = buffer.AsSpan(at, count - at).IndexOf((byte)'\n');
                line.Write(buffer, at, length < 0 ? count - at : length);
                if (length < 0)
                    break;
                yield return (line.ToArray(), true);
                line.SetLength(0);
                at += length + 1;
            }
        }
        if (line.Length > 0)
            yield return (line.ToArray(), false);
    }
}
