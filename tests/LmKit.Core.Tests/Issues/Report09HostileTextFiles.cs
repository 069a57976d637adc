using System.Diagnostics;
using System.Text;
using LmKit.Conformance;

namespace LmKit.Core.Tests.Issues;

[NoTensorLeak]
public sealed class Report09HostileTextFiles : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("folder", "folder")]
    [InlineData("pipe", "pipe")]
    [InlineData("device", "pipe")]
    [InlineData("missing", "no such file")]
    [InlineData("nowhere", "not there")]
    public void What_is_no_plain_file_is_refused_before_it_is_opened(string kind, string said)
    {
        if (OperatingSystem.IsWindows())
            return;
        var path = Make(kind);
        Assert.Contains(said, InputFile.Fault(path), StringComparison.Ordinal);
        Action[] readers = [() => _ = TextDocuments.Read(path).Count(), () => TokenDataset.Open(path).Dispose()];
        foreach (var read in kind == "folder" ? readers[1..] : readers)
        {
            var error = Assert.Throws<TextDataException>(read);
            Assert.Contains(path, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_link_is_read_as_the_file_that_it_means()
    {
        if (OperatingSystem.IsWindows())
            return;
        var path = folder["a.txt"];
        File.WriteAllText(path, "text");
        File.CreateSymbolicLink(folder["b.txt"], path);
        Assert.Equal("text", Assert.Single(TextDocuments.Read(folder["b.txt"])).Text);
        using (TokenDataset.Create(TextDocuments.Read(path), new ModelTokenizer(new ByteTokenizer(), 256), folder["t.tokens"]))
            File.CreateSymbolicLink(folder["u.tokens"], folder["t.tokens"]);
        using var linked = TokenDataset.Open(folder["u.tokens"]);
        Assert.Equal(4, linked.Count);
    }

    [Theory]
    [InlineData("{\"text\":\"a\",\"text\":\"b\"}")]
    [InlineData("{\"text\":\"\\ud800\"}")]
    [InlineData("{\"text\":7}")]
    [InlineData("{\"text\":null}")]
    [InlineData("null")]
    [InlineData("[\"text\"]")]
    [InlineData("{\"text\":\"a\"} {")]
    [InlineData("{\"text\":\"a\"")]
    public void A_line_that_is_no_document_is_refused_by_its_number(string line)
    {
        var path = folder["a.jsonl"];
        File.WriteAllText(path, "\uFEFF{\"more\":[1,{}],\"text\":\"good\"}\r\n\n" + line);
        Assert.StartsWith($"{path}:3: ", Assert.Throws<TextDataException>(() => TextDocuments.Read(path).Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Lines_longer_than_a_buffer_come_out_whole()
    {
        var path = folder["a.jsonl"];
        string[] texts = [.. Enumerable.Range(0, 9).Select(index => new string((char)('a' + index), 40_000 * index + 1))];
        File.WriteAllLines(path, texts.Select(text => $"{{\"text\":\"{text}\"}}"));
        Assert.Equal(texts, TextDocuments.Read(path).Select(document => document.Text));
        File.WriteAllBytes(path, [.. "{\"text\":\""u8, 0xFF, .. "\"}"u8]);
        Assert.Contains("UTF-8", Assert.Throws<TextDataException>(() => TextDocuments.Read(path).Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_token_file_is_neither_overwritten_nor_waited_for()
    {
        if (OperatingSystem.IsWindows())
            return;
        var path = Make("pipe");
        Assert.Throws<TextDataException>(() => TokenDataset.Create([new TextDocument("a", "b")], new ModelTokenizer(new ByteTokenizer(), 256), path));
        Assert.NotNull(InputFile.Fault(path));
    }

    [Fact]
    public void Windows_that_no_array_holds_are_refused_as_such()
    {
        using var data = TokenDataset.Create([new TextDocument("a", "some text")], new ModelTokenizer(new ByteTokenizer(), 256), folder["t.tokens"]);
        Assert.Throws<ArgumentOutOfRangeException>(() => data.Windows([0], long.MaxValue));
    }

    [Fact]
    public void Bytes_that_are_no_json_text_are_told_by_place()
    {
        static Exception Refuse(string place, string problem, Exception? cause) => new ConfigurationException(place, problem, cause);
        var path = folder["a.json"];
        File.WriteAllBytes(path, [.. "{\"a\":\""u8, 0xC0, .. "\"}"u8]);
        Assert.Contains("byte 6", Assert.Throws<ConfigurationException>(() => StrictJson.ReadObject(path, Refuse)).Message, StringComparison.Ordinal);
        File.WriteAllBytes(path, Encoding.Unicode.GetBytes("{}"));
        Assert.Throws<ConfigurationException>(() => StrictJson.ReadObject(path, Refuse));
        File.WriteAllText(path, "{\"a\":1}");
        Assert.Throws<ConfigurationException>(() => StrictJson.ReadObject(path, Refuse, maxBytes: 6));
        Assert.Single(StrictJson.ReadObject(path, Refuse));
        Assert.Throws<FileNotFoundException>(() => StrictJson.ReadObject(folder["none"], Refuse));
    }

    private string Make(string kind)
    {
        var path = folder[$"{kind}.txt"];
        switch (kind)
        {
            case "folder":
                Directory.CreateDirectory(path);
                break;
            case "pipe":
                using (var process = Process.Start("mkfifo", [path]))
                    process.WaitForExit();
                break;
            case "device":
                File.CreateSymbolicLink(path, "/dev/zero");
                break;
            case "nowhere":
                File.CreateSymbolicLink(path, folder["away"]);
                break;
            default:
                break;
        }
        return path;
    }
}
