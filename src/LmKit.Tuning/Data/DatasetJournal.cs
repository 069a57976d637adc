using System.Text.Encodings.Web;
using System.Text.Json;

namespace LmKit;

/// <summary>The append-only journal of a run: one record a line, in the order of completion, one writer at a time.</summary>
internal sealed class DatasetJournal : IDisposable
{
    private const string Name = "journal.jsonl";
    private const int DiskInterval = 32;

    internal static readonly JsonSerializerOptions Layout = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly FileStream file;
    private readonly FileStream guard;
    private readonly Dictionary<string, DatasetRecord> records = new(StringComparer.Ordinal);
    private readonly Lock gate = new();
    private int unflushed;

    private DatasetJournal(FileStream file, FileStream guard)
    {
        this.file = file;
        this.guard = guard;
    }

    internal IReadOnlyDictionary<string, DatasetRecord> Records => records;

    internal static DatasetJournal Open(string folder)
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
            var journal = new DatasetJournal(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read), guard);
            try
            {
                journal.ReadAll(path);
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

    internal void Append(DatasetRecord record)
    {
        lock (gate)
        {
            file.Write([.. JsonSerializer.SerializeToUtf8Bytes(record, Layout), (byte)'\n']);
            file.Flush(flushToDisk: ++unflushed % DiskInterval == 0);
            records[record.Id] = record;
        }
    }

    public void Dispose()
    {
        file.Flush(flushToDisk: true);
        file.Dispose();
        guard.Dispose();
    }

    // A kill can only tear the last line: that is cut off. A bad line elsewhere is damage, and is not passed over in silence.
    private void ReadAll(string path)
    {
        var content = new byte[file.Length];
        file.ReadExactly(content);
        var (start, number) = (0, 1);
        for (; start < content.Length; number++)
        {
            var length = content.AsSpan(start).IndexOf((byte)'\n');
            var isLast = length < 0 || start + length + 1 == content.Length;
            var record = length < 0 ? null : Parse(content.AsSpan(start, length));
            if (record is null && !isLast)
                throw new DatasetException($"{path}:{number}", "the line is no record; the file was damaged after it was written. Restore it, or delete the line to redo its document.");
            if (record is null)
                break;
            records[record.Id] = record;
            start += length + 1;
        }
        file.SetLength(start);
        file.Position = start;
    }

    private static DatasetRecord? Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize<DatasetRecord>(line, Layout);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
