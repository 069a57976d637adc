using System.Runtime.CompilerServices;

namespace LmKit.Tuning.Tests.Issues;

public sealed class Report09HostileJournals : IDisposable
{
    private const string Record = "{\"id\":\"a\",\"ordinal\":1,\"status\":\"ok\"}";
    private const string Judged = "{\"key\":\"k\",\"judge\":\"j\",\"question\":\"q\",\"model_a\":\"a\",\"model_b\":\"b\",\"status\":\"ok\",\"text\":\"\",\"verdict\":\"A>B\"}";

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("dataset-journal-wrong-InvalidOperationException-31-manifest.json", "dataset")]
    [InlineData("dataset-journal-wrong-InvalidOperationException-46-manifest.json", "dataset")]
    [InlineData("dataset-journal-wrong-InvalidOperationException-642-manifest.json", "dataset")]
    [InlineData("dataset-journal-wrong-InvalidOperationException-855-manifest.json", "dataset")]
    [InlineData("judgments-wrong-InvalidOperationException-329-manifest.json", "judgments")]
    public void Manifests_that_were_found_are_refused_by_name(string name, string kind)
    {
        var path = folder["manifest.json"];
        File.Copy(Hostile(name), path);
        Assert.Contains(path, Assert.Throws<DatasetException>(() => RunFolder.Enter(folder.Path, kind, "journal.jsonl").Dispose()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("{\"kind\":\"dataset\",\"kind\":\"dataset\"}")]
    [InlineData("{\"kind\":\"dataset\",\"x\":1e999}")]
    [InlineData("{\"kind\":7}")]
    public void A_damaged_manifest_is_refused_by_name(string json)
    {
        File.WriteAllText(folder["manifest.json"], json);
        Assert.Contains("manifest.json", Assert.Throws<DatasetException>(() => RunFolder.Enter(folder.Path, "dataset", "journal.jsonl").Dispose()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"ordinal\":1", "\"ordinal\":1,\"ordinal\":2", "ordinal")]
    [InlineData("\"ordinal\":1", "\"ordinal\":-1", "negative")]
    [InlineData("\"ordinal\":1", "\"ordinal\":9223372036854775808", "ordinal")]
    [InlineData("\"status\":\"ok\"", "\"status\":\"fine\"", "fine")]
    [InlineData("\"status\":\"ok\"", "\"status\":\"\\ud800\"", "")]
    [InlineData("\"status\":\"ok\"", "\"status\":\"ok\",\"input_tokens\":9223372036854775807", "tokens")]
    [InlineData("\"status\":\"ok\"", "\"status\":\"ok\",\"cost\":-1", "cost")]
    [InlineData("\"status\":\"ok\"", "\"status\":\"ok\",\"cost\":1e999", "cost")]
    [InlineData("\"id\":\"a\"", "\"id\":null", "")]
    [InlineData(Record, "null", "")]
    public void A_record_that_cannot_be_is_refused_by_its_number(string from, string to, string said)
    {
        var path = folder["data.jsonl"];
        File.WriteAllText(path, $"{Record}\r\n{Record.Replace(from, to, StringComparison.Ordinal)}\n");
        var error = Assert.Throws<DatasetException>(() => DatasetRecord.ReadAll(path).Count());
        Assert.Equal($"{path}:2", error.Path);
        Assert.Contains(said, error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Equal($"{path}:2", Assert.Throws<DatasetException>(() => RecordJournal<DatasetRecord, DatasetEntry>.Open(path, DatasetEntry.Of).Dispose()).Path);
        Assert.Equal(2, File.ReadAllLines(path).Length); // a whole line is no torn one: nothing was cut off
    }

    [Theory]
    [InlineData("\"verdict\":\"A>B\"", "\"grade\":11", "grade")]
    [InlineData("\"verdict\":\"A>B\"", "\"grade\":1e999", "grade")]
    [InlineData("\"verdict\":\"A>B\"", "\"output_tokens\":-1", "tokens")]
    [InlineData("\"status\":\"ok\",", "", "status")]
    [InlineData("\"judge\":\"j\"", "\"judge\":null", "judge")]
    public void A_judgment_that_cannot_be_is_refused_by_its_number(string from, string to, string said)
    {
        var path = folder["judgments.jsonl"];
        File.WriteAllText(path, Judged + "\n");
        Assert.Single(Judgment.ReadAll(folder.Path));
        File.WriteAllText(path, $"{Judged}\n{Judged.Replace(from, to, StringComparison.Ordinal)}\n");
        var error = Assert.Throws<DatasetException>(() => Judgment.ReadAll(folder.Path));
        Assert.Equal($"{path}:2", error.Path);
        Assert.Contains(said, error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_called_that()
    {
        File.WriteAllText(folder["file"], "");
        var error = Assert.Throws<DatasetException>(() => RunFolder.Enter(folder["file"], "dataset", "journal.jsonl").Dispose());
        Assert.Contains("nothing can be written", error.Message, StringComparison.Ordinal);
        using var first = RunFolder.Enter(folder["run"], "dataset", "journal.jsonl");
        Assert.Contains("another run", Assert.Throws<DatasetException>(() => RunFolder.Enter(folder["run"], "dataset", "journal.jsonl").Dispose()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_journal_that_is_a_folder_is_refused_by_name()
    {
        Directory.CreateDirectory(folder["journal.jsonl"]);
        Assert.Contains("journal.jsonl", Assert.Throws<DatasetException>(() => RecordJournal<DatasetRecord, DatasetEntry>.Open(folder["journal.jsonl"], DatasetEntry.Of).Dispose()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[[99999999999999999999999999]]", -1.0)]
    [InlineData("[[11]] [[5]]", -1.0)]
    [InlineData("[[0]]", -1.0)]
    [InlineData("[[x]] [[7.5]] [[2]]", 7.5)]
    [InlineData("[[[8]]]", 8.0)]
    [InlineData("[x] [9]", 9.0)]
    [InlineData("[[1.2.3]]", -1.0)]
    [InlineData("none", -1.0)]
    public void A_rating_is_one_from_1_to_10_or_none(string judgment, double expected)
    {
        Assert.Equal(expected, VerdictParser.MtBenchSingle(judgment));
        Assert.Equal(-1, VerdictParser.MtBenchSingle($"[[{new string('9', 400)}]]"));
    }

    [Theory]
    [InlineData("[[A>B]] [[B>A]] [[x]]", "B>A")]
    [InlineData("[[[a=b]]", "A=B")]
    [InlineData("[A>>B] said [B>A", "A>>B")]
    [InlineData("[[A>B] ]", "A>B")]
    [InlineData("[[]]", null)]
    public void The_last_verdict_of_the_most_brackets_counts(string judgment, string? expected) => Assert.Equal(expected, VerdictParser.Arena(judgment));

    [Fact]
    public void Brackets_without_end_are_read_once()
    {
        foreach (var text in new[] { string.Concat(Enumerable.Repeat("[[", 4_000_000)), string.Concat(Enumerable.Repeat("[[a", 2_000_000)), string.Concat(Enumerable.Repeat("[[a]", 2_000_000)) })
        {
            Assert.Null(VerdictParser.StrictArena(text));
            Assert.Null(VerdictParser.StrictRating(text));
        }
    }

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);
}
