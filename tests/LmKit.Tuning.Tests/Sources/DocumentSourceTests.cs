using System.IO.Compression;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace LmKit.Tuning.Tests;

public sealed class DocumentSourceTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("a.jsonl")]
    [InlineData("a.jsonl.gz")]
    public async Task Lines_of_json_are_documents_packed_or_not(string name)
    {
        var path = Write(name, "\ufeff{\"text\":\"one two\",\"key\":\"x\"}\n\n{\"text\":\"th\u00e9\\u0020three\",\"key\":7}\r\n{\"key\":\"z\",\"text\":\"last\"}");

        Assert.Equal(["x:one two", "7:th\u00e9 three", "z:last"], await Read(new JsonlSource([path], idField: "key")));
        Assert.Equal([$"{name}#0:one two", $"{name}#1:th\u00e9 three", $"{name}#2:last"], await Read(new JsonlSource([path])));
    }

    [Fact]
    public async Task A_line_that_is_no_document_is_named_by_its_number()
    {
        foreach (var line in new[] { "nonsense", "[]", "{\"other\":1}", "{\"text\":5}", "{\"text\":null}" })
        {
            var path = Write("bad.jsonl", "{\"text\":\"good\"}\n" + line + "\n");
            var error = await Assert.ThrowsAsync<DatasetException>(() => Read(new JsonlSource([path])));
            Assert.EndsWith(":2", error.Path, StringComparison.Ordinal);
        }
        Assert.Throws<DatasetException>(() => new JsonlSource([folder["missing"]]));
    }

    [Fact]
    public async Task A_document_that_is_too_large_is_passed_over_and_counted()
    {
        var path = Write("large.jsonl.gz", $"{{\"text\":\"one two three four\"}}\n{{\"text\":\"{new string('x', FileDocumentSource.MaxDocumentBytes)}\"}}\n{{\"text\":\"five six seven eight\"}}\n");

        var report = await new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4 }).RunAsync(new JsonlSource([path]), folder["out"]);

        Assert.Equal((2, 1), (report.Counts["ok"], report.Counts["filtered:too_large"]));
        Assert.True(new FileInfo(Path.Combine(folder["out"], "journal.jsonl")).Length < 10_000);
    }

    [Fact]
    public async Task Invalid_bytes_are_replaced_and_stop_nothing()
    {
        var path = folder["invalid.txt"];
        await File.WriteAllBytesAsync(path, [.. "one "u8, 0xff, .. " two"u8]);
        Assert.Equal(["invalid.txt#0:one \ufffd two\n"], await Read(new TextFileSource([path])));
    }

    [Fact]
    public async Task Text_files_are_documents_or_hold_several()
    {
        var path = Write("a.txt", "one\ntwo\n---\nthree\n---\n---\nfour");
        Assert.Equal(["a.txt#0:one\ntwo\n", "a.txt#1:three\n", "a.txt#2:four\n"], await Read(new TextFileSource([path], "---")));
        Assert.Single(await Read(new TextFileSource([path])));
    }

    [Fact]
    public async Task A_parquet_column_is_read_group_by_group()
    {
        var path = folder["a.parquet"];
        var (text, id, number) = (new DataField<string>("text"), new DataField<string>("id"), new DataField<int>("number"));
        await using (var file = File.Create(path))
        {
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, id, number), file);
            for (var group = 0; group < 2; group++)
            {
                using var rows = writer.CreateRowGroup();
                await rows.WriteAsync(text, (string[])[$"first {group}", $"second {group}"]);
                await rows.WriteAsync(id, (string[])[$"a{group}", $"b{group}"]);
                await rows.WriteAsync<int>(number, new[] { 1, 2 }.AsMemory());
            }
        }

        Assert.Equal(["a0:first 0", "b0:second 0", "a1:first 1", "b1:second 1"], await Read(new ParquetSource([path], idColumn: "id")));
        Assert.Contains("there are text, id, number", (await Assert.ThrowsAsync<DatasetException>(() => Read(new ParquetSource([path], "body")))).Message, StringComparison.Ordinal);
        Assert.Contains("holds Int32", (await Assert.ThrowsAsync<DatasetException>(() => Read(new ParquetSource([path], "number")))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DatasetException>(() => Read(new ParquetSource([Write("not.parquet", "no")])));
    }

    [Fact]
    public async Task A_parquet_file_whose_footer_is_damaged_is_refused_by_name_or_read()
    {
        var path = folder["a.parquet"];
        var text = new DataField<string>("text");
        await using (var file = File.Create(path))
        {
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text), file);
            using var rows = writer.CreateRowGroup();
            await rows.WriteAsync(text, (string[])["one", "two"]);
        }
        var whole = await File.ReadAllBytesAsync(path);
        var footer = BitConverter.ToInt32(whole, whole.Length - 8);
        var refused = 0;
        for (var place = whole.Length - 8 - footer; place < whole.Length - 8; place++)
        {
            // A length, count or row number of two becomes minus one.
            if (whole[place] != 4)
                continue;
            byte[] bytes = [.. whole];
            bytes[place] = 1;
            await File.WriteAllBytesAsync(path, bytes);
            var error = await Record.ExceptionAsync(() => Read(new ParquetSource([path])));
            Assert.True(error is null or DatasetException, $"byte {place}: {error}");
            refused += error is null ? 0 : 1;
        }
        Assert.True(refused > 0);
    }

    [Fact]
    public async Task Files_of_one_name_in_two_folders_give_documents_of_two_names()
    {
        string[] paths = [Write("x/a.txt", "one two three four"), Write("y/a.txt", "five six seven eight"), Write("y/b.txt", "nine ten eleven twelve")];

        Assert.Equal(["x/a.txt#0:one two three four\n", "y/a.txt#0:five six seven eight\n", "y/b.txt#0:nine ten eleven twelve\n"], await Read(new TextFileSource(paths)));
        Assert.Equal(3, (await new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4 }).RunAsync(new TextFileSource(paths), folder["out"])).KeptCount);
        Assert.Contains("twice", Assert.Throws<DatasetException>(() => new TextFileSource([paths[0], paths[1], paths[0]])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_second_document_of_a_name_is_recorded_and_not_lost_in_silence()
    {
        var path = Write("same.jsonl", "{\"text\":\"one two three four\",\"id\":\"x\"}\n{\"text\":\"five six seven eight\",\"id\":\"x\"}\n");
        for (var run = 0; run < 2; run++)
        {
            var report = await new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4 }).RunAsync(new JsonlSource([path], idField: "id"), folder["out"]);

            Assert.Equal((1L, 1L), (report.KeptCount, report.Counts["filtered:duplicate_id"]));
            Assert.Equal(0, report.DroppedShare);
        }
        Assert.Contains("\"x@1\"", await File.ReadAllTextAsync(Path.Combine(folder["out"], "journal.jsonl")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_is_not_resumed_on_other_files()
    {
        var path = Write("a.jsonl", "{\"text\":\"one two three four\"}\n");
        await new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4 }).RunAsync(new JsonlSource([path]), folder["out"]);
        _ = Write("a.jsonl", "{\"text\":\"one two three five\"}\n");

        var error = await Assert.ThrowsAsync<DatasetException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4 }).RunAsync(new JsonlSource([path]), folder["out"]));

        Assert.Contains("other sources", error.Message, StringComparison.Ordinal);
    }

    private string Write(string name, string content)
    {
        var path = folder[name];
        _ = Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using Stream file = name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(File.Create(path), CompressionLevel.Fastest) : File.Create(path);
        file.Write(Encoding.UTF8.GetBytes(content));
        return path;
    }

    private static async Task<string[]> Read(IDocumentSource source)
    {
        var documents = new List<string>();
        await foreach (var document in source)
            documents.Add($"{document.Id}:{document.Text}");
        return [.. documents];
    }
}
