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

    [Fact]
    public void A_split_is_stable_complete_and_as_large_as_asked()
    {
        TextDocument[] documents = [.. Enumerable.Range(0, 2000).Select(index => new TextDocument($"{index}", $"text {index}"))];
        var (training, heldOut) = TextDocuments.Split(documents, 0.1, 3);
        Assert.Equal(documents.Order(Comparer<TextDocument>.Create((a, b) => string.CompareOrdinal(a.Place, b.Place))), training.Concat(heldOut).Order(Comparer<TextDocument>.Create((a, b) => string.CompareOrdinal(a.Place, b.Place))));
        Assert.InRange(heldOut.Count(), 150, 250);
        // A text stays where it is, whatever comes before it and wherever it is from.
        Assert.Equal(heldOut.Where(document => documents.AsSpan(500).Contains(document)).Select(document => document.Text), TextDocuments.Split(documents[500..].Select(document => document with { Place = "elsewhere" }), 0.1, 3).HeldOut.Select(document => document.Text));
        Assert.NotEqual(heldOut, TextDocuments.Split(documents, 0.1, 4).HeldOut);
        // As it was divided when this was written.
        Assert.Equal(["text 0", "text 2"], TextDocuments.Split(documents, 0.1, 3).HeldOut.Take(2).Select(document => document.Text));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.0)]
    [InlineData(double.NaN)]
    public void A_share_outside_of_0_and_1_is_refused(double share) =>
        Assert.Equal("heldOutShare", Assert.Throws<ArgumentOutOfRangeException>(() => TextDocuments.Split([], share)).ParamName);
}
