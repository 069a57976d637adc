using System.Text;

namespace LmKit.Tuning.Tests;

public class RecordJournalTests
{
    [Fact]
    public void A_record_that_could_not_be_written_leaves_no_half_line_before_the_next()
    {
        using var folder = new TemporaryFolder();
        var path = folder["journal.jsonl"];
        FullFile? file = null;
        using (var journal = RecordJournal<DatasetRecord, DatasetEntry>.Open(path, DatasetEntry.Of, name => file = new FullFile(name)))
        {
            journal.Append(Record("a"));
            file!.IsFull = true;
            Assert.Throws<IOException>(() => journal.Append(Record("b")));
            Assert.False(journal.TryGet("b", out _));
            file.IsFull = false;
            journal.Append(Record("c"));
            Assert.Equal("c", journal.Read("c").Id);
        }

        using var again = RecordJournal<DatasetRecord, DatasetEntry>.Open(path, DatasetEntry.Of);
        Assert.Equal(["a", "c"], again.Entries.Select(entry => entry.Key));
        Assert.Equal(2, File.ReadAllLines(path).Length);
    }

    [Fact]
    public void A_journal_that_could_not_be_taken_back_takes_no_more()
    {
        using var folder = new TemporaryFolder();
        FullFile? file = null;
        using var journal = RecordJournal<DatasetRecord, DatasetEntry>.Open(folder["journal.jsonl"], DatasetEntry.Of, name => file = new FullFile(name));
        (file!.IsFull, file.IsFixed) = (true, true);
        Assert.Throws<IOException>(() => journal.Append(Record("a")));
        (file.IsFull, file.IsFixed) = (false, false);

        Assert.Throws<DatasetException>(() => journal.Append(Record("b")));
    }

    [Fact]
    public void A_line_in_which_a_text_is_null_is_named_by_its_number()
    {
        using var folder = new TemporaryFolder();
        var path = folder["journal.jsonl"];
        File.WriteAllText(path, """
            {"id":"a","ordinal":0,"status":"ok"}
            {"id":"b","ordinal":1,"status":"ok","prompt":null}
            {"id":"c","ordinal":2,"status":"ok"}

            """, Encoding.UTF8);
        var bytes = File.ReadAllBytes(path)[3..];
        File.WriteAllBytes(path, bytes);

        Assert.EndsWith(":2", Assert.Throws<DatasetException>(() => RecordJournal<DatasetRecord, DatasetEntry>.Open(path, DatasetEntry.Of).Dispose()).Path, StringComparison.Ordinal);
        Assert.EndsWith(":2", Assert.Throws<DatasetException>(() => DatasetRecord.ReadAll(path).ToArray()).Path, StringComparison.Ordinal);
        Assert.Null(JournalJson.Parse<Judgment>("{\"judge\":\"x\"}"u8, out _));
    }

    private static DatasetRecord Record(string id) => new() { Id = id };

    private sealed class FullFile(string path) : FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0)
    {
        internal bool IsFull { get; set; }

        internal bool IsFixed { get; set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            base.Write(IsFull ? buffer[..(buffer.Length / 2)] : buffer);
            if (IsFull)
                throw new IOException("There is no room on the disk.");
        }

        public override void SetLength(long value)
        {
            if (IsFixed)
                throw new IOException("There is no room on the disk.");
            base.SetLength(value);
        }
    }
}
