namespace LmKit.Core.Tests;

public sealed class TextDocumentsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private string Write(string name, string text)
    {
        _ = Directory.CreateDirectory(Path.GetDirectoryName(folder[name])!);
        File.WriteAllText(folder[name], text);
        return folder[name];
    }

    [Fact]
    public void A_folder_gives_its_text_files_in_order_at_any_depth()
    {
        _ = Write("b.txt", "two");
        _ = Write("a/x.jsonl", "{\"text\":\"one\"}\n\n{\"id\":1,\"text\":\"and a \\u00bd\"}");
        _ = Write("c.bin", "no");
        Assert.Equal(["one", "and a \u00bd", "two"], TextDocuments.Read(folder.Path).Select(document => document.Text));
        Assert.Equal($"{folder["a/x.jsonl"]}:3", TextDocuments.Read(folder["a/x.jsonl"]).Last().Place);
        Assert.Equal(["no"], TextDocuments.Read(folder.Path, [".bin"]).Select(document => document.Text));
    }

    [Theory]
    [InlineData("[1]", ":2")]
    [InlineData("{\"txt\":\"a\"}", ":2")]
    [InlineData("{\"text\":5}", ":2")]
    [InlineData("{\"text\":\"\"}", "empty")]
    [InlineData("{\"text\":\"a\"", "not JSON")]
    [InlineData("{\"text\":\"\\ud800\"}", "not JSON")]
    public void A_bad_line_is_named_by_file_and_line(string line, string fault)
    {
        var path = Write("x.jsonl", "{\"text\":\"fine\"}\n" + line);
        var error = Assert.Throws<TextDataException>(() => TextDocuments.Read(path).ToList());
        Assert.StartsWith(path + ":2", error.Message, StringComparison.Ordinal);
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_to_read_is_refused_naming_the_place()
    {
        Assert.Contains("holds no file", Assert.Throws<TextDataException>(() => TextDocuments.Read(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("no such file", Assert.Throws<TextDataException>(() => TextDocuments.Read(folder["none"])).Message, StringComparison.Ordinal);
        Assert.Contains("is empty", Assert.Throws<TextDataException>(() => TextDocuments.Read(Write("e.txt", "")).ToList()).Message, StringComparison.Ordinal);
        Assert.Contains("no line", Assert.Throws<TextDataException>(() => TextDocuments.Read(Write("e.jsonl", "\n")).ToList()).Message, StringComparison.Ordinal);
        File.WriteAllBytes(folder["latin.txt"], [0x61, 0xe9, 0x62]);
        Assert.Contains("not UTF-8", Assert.Throws<TextDataException>(() => TextDocuments.Read(folder["latin.txt"]).ToList()).Message, StringComparison.Ordinal);
    }
}
