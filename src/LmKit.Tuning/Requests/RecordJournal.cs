using System.Text.Json;

namespace LmKit;

/// <summary>The append-only journal of a run: one record a line, in the order of completion, one writer at a time.</summary>
/// <remarks>Only a short entry of each record is kept in memory; the records themselves stay in the file. Thread-safe.</remarks>
/// <typeparam name="TRecord">What a line holds.</typeparam>
/// <typeparam name="TEntry">What is kept of it.</typeparam>
internal sealed class RecordJournal<TRecord, TEntry> : IDisposable
    where TRecord : class
{
    private const string Name = "journal.jsonl";
    private const int DiskInterval = 32;
    private const int ReadLength = 1 << 16;

    private readonly FileStream file;
    private readonly FileStream guard;
    private readonly Func<TRecord, (string Key, TEntry Entry)> summarize;
    private readonly Dictionary<string, (long Start, int Length, TEntry Entry)> places = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private int unflushed;

    private RecordJournal(FileStream file, FileStream guard, Func<TRecord, (string Key, TEntry Entry)> summarize)
    {
        this.file = file;
        this.guard = guard;
        this.summarize = summarize;
    }

    /// <summary>The entry of each record, the last one of its key.</summary>
    internal IEnumerable<(string Key, TEntry Entry)> Entries => places.Select(pair => (pair.Key, pair.Value.Entry));

    internal static RecordJournal<TRecord, TEntry> Open(string folder, Func<TRecord, (string Key, TEntry Entry)> summarize)
    {
        _ = Directory.CreateDirectory(folder);
        FileStream guard;
        try
        {
            guard = new FileStream(Path.Combine(folder, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error)
        {
            throw new DatasetException(folder, "another run writes here; wait for it, or take another folder.", error);
        }
        try
        {
            var path = Path.Combine(folder, Name);
            var journal = new RecordJournal<TRecord, TEntry>(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read), guard, summarize);
            try
            {
                journal.Scan(path);
                return journal;
            }
            catch
            {
                journal.file.Dispose();
                throw;
            }
        }
        catch
        {
            guard.Dispose();
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
            places[key] = (file.Position, line.Length - 1, entry);
            file.Write(line);
            file.Flush(flushToDisk: ++unflushed % DiskInterval == 0);
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
        file.Flush(flushToDisk: true);
        file.Dispose();
        guard.Dispose();
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
