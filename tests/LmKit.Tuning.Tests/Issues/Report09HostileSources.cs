using System.Diagnostics;
using System.IO.Compression;
using System.Runtime.CompilerServices;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace LmKit.Tuning.Tests.Issues;

public sealed class Report09HostileSources : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("parquet-HANG-1.parquet", true)]
    [InlineData("parquet-HANG-3.parquet", true)]
    [InlineData("parquet-bigalloc-alloc-615-a.parquet", false)]
    [InlineData("parquet-bigalloc-alloc-618-a.parquet", false)]
    [InlineData("parquet-wrong-InvalidOperationException-327-a.parquet", true)]
    [InlineData("parquet-wrong-InvalidOperationException-797-a.parquet", true)]
    public async Task Files_that_hung_or_filled_the_memory_are_refused_by_name_or_read(string name, bool isRefused)
    {
        var path = Hostile(name);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        var error = await Record.ExceptionAsync(() => Read(new ParquetSource([path])).WaitAsync(Patience));
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 16L << 20);
        if (isRefused)
            Assert.Contains(path, Assert.IsType<DatasetException>(error).Message, StringComparison.Ordinal);
        else
            Assert.Null(error); // the damage lies in another column
    }

    [Theory]
    [InlineData(CompressionMethod.None)]
    [InlineData(CompressionMethod.Snappy)]
    [InlineData(CompressionMethod.Gzip)]
    [InlineData(CompressionMethod.Brotli)]
    [InlineData(CompressionMethod.Zstd)]
    [InlineData(CompressionMethod.Lz4Raw)]
    public async Task What_another_library_writes_comes_out_as_it_went_in(CompressionMethod method)
    {
        var random = new Random(4);
        foreach (var hint in new[] { EncodingHint.Default, EncodingHint.Dictionary })
        {
            var expected = await WriteAsync(folder["a.parquet"], method, hint, random, 3_000);
            Assert.Equal(expected, await Read(new ParquetSource([folder["a.parquet"]], idColumn: "id")));
        }
    }

    [Fact]
    public async Task Damaged_parquet_files_are_refused_by_name_within_little_memory()
    {
        var random = new Random(9);
        var whole = new List<byte[]>();
        foreach (var method in new[] { CompressionMethod.None, CompressionMethod.Snappy, CompressionMethod.Zstd, CompressionMethod.Lz4Raw })
        {
            _ = await WriteAsync(folder["a.parquet"], method, EncodingHint.Dictionary, random, 30);
            whole.Add(await File.ReadAllBytesAsync(folder["a.parquet"]));
        }
        var (path, refused, accepted) = (folder["b.parquet"], 0, 0);
        for (var round = 0; round < 600; round++)
        {
            byte[] bytes = [.. whole[round % whole.Count]];
            for (var change = 0; change < 1 + (round % 3); change++)
                bytes[random.Next(2) == 0 ? random.Next(bytes.Length) : random.Next(bytes.Length - 400, bytes.Length)] ^= (byte)(1 << random.Next(8));
            await File.WriteAllBytesAsync(path, bytes);
            var before = GC.GetTotalAllocatedBytes();
            var error = await Record.ExceptionAsync(() => Read(new ParquetSource([path], idColumn: "id")).WaitAsync(Patience));
            Assert.InRange(GC.GetTotalAllocatedBytes() - before, 0, 64L << 20);
            Assert.True(error is null || (error is DatasetException && error.Message.Contains(path, StringComparison.Ordinal)), $"round {round}: {error}");
            _ = error is null ? accepted++ : refused++;
        }
        Assert.True(refused > 100 && accepted > 10, $"{refused} refused, {accepted} accepted");
    }

    [Fact]
    public async Task A_small_parquet_file_that_unpacks_to_much_is_refused_by_row_group_and_column()
    {
        var path = folder["a.parquet"];
        await using (var file = File.Create(path))
        {
            var text = new DataField<string>("text");
            var options = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd };
            await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text), file, options);
            using var rows = writer.CreateRowGroup();
            await rows.WriteAsync(text, [.. Enumerable.Range(0, 5_000).Select(row => new string('a', 8_192 + (row % 7)))]);
        }
        Assert.InRange(new FileInfo(path).Length, 0, 1 << 20);
        Assert.Contains("row group 0, column 'text'", (await Assert.ThrowsAsync<DatasetException>(() => Read(new ParquetSource([path])))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_packed_file_that_is_cut_anywhere_is_refused_and_several_members_are_one()
    {
        var path = folder["a.txt.gz"];
        var random = new Random(3);
        var packed = Pack(string.Concat(Enumerable.Range(0, 4_000).Select(_ => $"line {random.Next()}\n")));
        byte[] both = [.. packed, .. Pack("more\n")];
        await File.WriteAllBytesAsync(path, both);
        Assert.EndsWith("\nmore\n", Assert.Single(await Read(new TextFileSource([path]))), StringComparison.Ordinal);
        foreach (var length in (int[])[both.Length - 1, both.Length - 8, packed.Length + 5, packed.Length - 1, packed.Length / 2, 12, 3, 0])
        {
            await File.WriteAllBytesAsync(path, both[..length]);
            Assert.Contains(path, (await Assert.ThrowsAsync<DatasetException>(() => Read(new TextFileSource([path])))).Message, StringComparison.Ordinal);
        }
        await File.WriteAllBytesAsync(path, [.. both, 1, 2, 3]);
        Assert.Contains("behind its end", (await Assert.ThrowsAsync<DatasetException>(() => Read(new TextFileSource([path])))).Message, StringComparison.Ordinal);
        foreach (var length in Enumerable.Range(8_100, 200)) // the end of a member at every place of the unpacker's buffer
        {
            await File.WriteAllBytesAsync(path, Pack(Convert.ToBase64String(RandomBytes(random, length * 3 / 4))));
            Assert.Single(await Read(new TextFileSource([path])));
        }
    }

    [Fact]
    public async Task A_packed_file_of_far_too_much_is_refused_without_being_held()
    {
        var path = folder["a.jsonl.gz"];
        await using (var stream = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            var zeros = new byte[1 << 20];
            Array.Fill(zeros, (byte)'a');
            for (var part = 0; part < 512; part++)
                await stream.WriteAsync(zeros);
        }
        var before = GC.GetTotalAllocatedBytes(precise: true);
        Assert.Contains("times its size", (await Assert.ThrowsAsync<DatasetException>(() => Read(new JsonlSource([path])))).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 48L << 20);
    }

    [Theory]
    [InlineData("{\"text\":\"a\",\"text\":\"b\"}")]
    [InlineData("{\"text\":\"\\ud800\"}")]
    [InlineData("{\"text\":{}}")]
    [InlineData("{\"id\":1}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"text\":\"a\"}}")]
    public async Task A_line_that_is_no_document_is_refused_by_its_number(string line)
    {
        var path = folder["a.jsonl"];
        await File.WriteAllTextAsync(path, "{\"id\":{\"a\": 1},\"text\":\"good\"}\n" + line + "\n");
        Assert.StartsWith($"{path}:2: ", (await Assert.ThrowsAsync<DatasetException>(() => Read(new JsonlSource([path])))).Message, StringComparison.Ordinal);
        Assert.Equal("{\"a\": 1}|good", await First(new JsonlSource([path], idField: "id")));
    }

    [Fact]
    public void Folders_pipes_and_devices_are_no_sources()
    {
        if (OperatingSystem.IsWindows())
            return;
        using (var process = Process.Start("mkfifo", [folder["pipe.jsonl"]]))
            process.WaitForExit();
        foreach (var path in (string[])[folder["pipe.jsonl"], folder.Path, "/dev/zero", folder["none"]])
        {
            Assert.Contains(path, Assert.Throws<DatasetException>(() => new JsonlSource([path])).Message, StringComparison.Ordinal);
            Assert.Contains(path, Assert.Throws<DatasetException>(() => SourceFingerprint.Of(path)).Message, StringComparison.Ordinal);
            Assert.Contains(path, Assert.Throws<DatasetException>(() => DatasetRecord.ReadAll(path)).Message, StringComparison.Ordinal);
        }
    }

    private static async Task<List<string>> WriteAsync(string path, CompressionMethod method, EncodingHint hint, Random random, int rows)
    {
        var (text, id, number) = (new DataField("text", typeof(string), isNullable: true), new DataField<string>("id"), new DataField<int>("n"));
        var options = new ParquetOptions { CompressionMethod = method };
        options.ColumnEncodingHints["text"] = hint;
        var expected = new List<string>();
        await using var file = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(number, text, id), file, options);
        for (var group = 0; group < 2; group++)
        {
            using var writing = writer.CreateRowGroup();
            string?[] texts = [.. Enumerable.Range(0, rows).Select(_ => random.Next(5)).Select(kind => kind == 0 ? null : $"\u00e9{new string('x', random.Next(kind * 9))}{random.Next(9)}")];
            await writing.WriteAsync<int>(number, Enumerable.Range(0, rows).ToArray().AsMemory());
            await writing.WriteAsync(text, texts!);
            await writing.WriteAsync(id, [.. Enumerable.Range(0, rows).Select(row => $"{group}-{row}")]);
            expected.AddRange(texts.Select((one, row) => $"{group}-{row}|{one}"));
        }
        return expected;
    }

    private static byte[] Pack(string text)
    {
        using var packed = new MemoryStream();
        using (var stream = new GZipStream(packed, CompressionLevel.Fastest))
            stream.Write(Encoding.UTF8.GetBytes(text));
        return packed.ToArray();
    }

    private static byte[] RandomBytes(Random random, int length)
    {
        var bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }

    private static async Task<List<string>> Read(IDocumentSource source)
    {
        var documents = new List<string>();
        await foreach (var document in source)
            documents.Add($"{document.Id}|{document.Text}");
        return documents;
    }

    private static async Task<string> First(IDocumentSource source)
    {
        await foreach (var document in source)
            return $"{document.Id}|{document.Text}";
        return "";
    }

    private static string Hostile(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "..", "Hostile", name);
}
