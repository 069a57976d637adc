using Microsoft.ML.Tokenizers;
using TorchSharp;

namespace LmKit.Core.Tests;

public sealed class TokenDatasetTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static ModelTokenizer Pairs { get; } =
        new BytePairTrainer(new BytePairOptions { VocabSize = 300 }).Train([SampleText.Words(1, 2000)]).CreateTokenizer();

    public void Dispose() => folder.Dispose();

    private TokenDataset Create(ModelTokenizer tokenizer, params string[] texts) =>
        TokenDataset.Create(texts.Select((text, i) => new TextDocument($"{i}", text)), tokenizer, folder["tokens.bin"]);

    private static long[] All(TokenDataset data)
    {
        using var window = data.Windows([0], data.Count);
        return window.data<long>().ToArray();
    }

    [Fact]
    public void The_file_holds_every_document_and_the_end_of_text_after_each()
    {
        using var data = Create(Pairs, "the taring", SampleText.Mixed);
        int[] expected = [.. Pairs.Tokenizer.EncodeToIds("the taring"), 299, .. Pairs.Tokenizer.EncodeToIds(SampleText.Mixed), 299];
        Assert.Equal(expected.Select(id => (long)id), All(data));
        Assert.Equal((300, 299), (data.VocabSize, data.EndOfTextId));
    }

    [Fact]
    public void The_byte_tokenizer_has_no_end_of_text()
    {
        using var data = Create(ModelTokenizer.Bytes, "ab", "c");
        Assert.Equal([97L, 98, 99], All(data));
        Assert.Null(data.EndOfTextId);
    }

    [Fact]
    public void A_large_vocabulary_is_kept_in_four_bytes()
    {
        using var data = Create(new ModelTokenizer(new ByteTokenizer(), 100_000, 99_999), "ab");
        Assert.Equal([97L, 98, 99_999], All(data));
        Assert.Equal(64 + (3 * 4), new FileInfo(data.FilePath).Length);
    }

    [Fact]
    public void The_file_is_used_again_only_for_the_same_text_and_tokenizer()
    {
        Create(Pairs, "one", "two").Dispose();
        var stamp = new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(folder["tokens.bin"], stamp);
        Create(Pairs, "one", "two").Dispose();
        Assert.Equal(stamp, File.GetLastWriteTimeUtc(folder["tokens.bin"]));
        Create(Pairs, "onet", "wo").Dispose();
        Assert.NotEqual(stamp, File.GetLastWriteTimeUtc(folder["tokens.bin"]));
        File.SetLastWriteTimeUtc(folder["tokens.bin"], stamp);
        using var data = Create(ModelTokenizer.Bytes, "onet", "wo");
        Assert.Equal(6, data.Count);
        Assert.Equal(["tokens.bin"], folder.Names);
    }

    [Fact]
    public void A_damaged_file_is_refused_on_opening_and_made_again_on_creating()
    {
        Create(Pairs, "one two three").Dispose();
        var whole = File.ReadAllBytes(folder["tokens.bin"]);
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(folder["tokens.bin"], whole[..length]);
            Assert.Contains("tokens.bin", Assert.Throws<TextDataException>(() => TokenDataset.Open(folder["tokens.bin"])).Message, StringComparison.Ordinal);
        }
        Create(Pairs, "one two three").Dispose();
        Assert.Equal(whole, File.ReadAllBytes(folder["tokens.bin"]));
    }

    [Theory]
    [InlineData("LMKTOK2\n")]
    [InlineData("A corpus that the user wrote by hand.")]
    [InlineData("A corpus that is longer than the header of a token file, so that its length alone does not give it away as foreign.")]
    public void A_file_of_the_user_is_never_overwritten(string text)
    {
        File.WriteAllText(folder["tokens.bin"], text);
        var error = Assert.Throws<TextDataException>(() => Create(Pairs, "one"));
        Assert.Contains("tokens.bin", error.Message, StringComparison.Ordinal);
        Assert.Contains("not overwritten", error.Message, StringComparison.Ordinal);
        Assert.Equal(text, File.ReadAllText(folder["tokens.bin"]));
    }

    [Fact]
    public void Ids_out_of_range_are_refused_when_written_and_when_read()
    {
        var small = new ModelTokenizer(new ByteTokenizer(), 100);
        Assert.StartsWith("1: the tokenizer gives id 122", Assert.Throws<TextDataException>(() => Create(small, "abc", "xyz"[2..])).Message, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
        Create(small, "abc").Dispose();
        var bytes = File.ReadAllBytes(folder["tokens.bin"]);
        bytes[^1] = 1;
        File.WriteAllBytes(folder["tokens.bin"], bytes);
        using var data = TokenDataset.Open(folder["tokens.bin"]);
        Assert.Contains("token 2 has id 355", Assert.Throws<TextDataException>(() => data.Windows([0], 3)).Message, StringComparison.Ordinal);
        data.Windows([0], 2).Dispose();
    }

    [Fact]
    public void No_text_windows_outside_and_cancellation_are_refused()
    {
        Assert.Contains("no text", Assert.Throws<TextDataException>(() => Create(Pairs)).Message, StringComparison.Ordinal);
        using var data = Create(ModelTokenizer.Bytes, "abcdef");
        Assert.Equal(3L, Assert.Throws<ArgumentOutOfRangeException>(() => data.Windows([0, 3], 4)).ActualValue);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() => data.Windows([-1], 4));
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        _ = Assert.Throws<OperationCanceledException>(() => TokenDataset.Create([new("x", "x")], Pairs, folder["new.bin"], stop.Token));
        Assert.Equal(["tokens.bin"], folder.Names);
    }

    [Fact]
    public void A_split_makes_two_files_of_the_documents_of_each_part()
    {
        TextDocument[] documents = [.. Enumerable.Range(0, 40).Select(index => new TextDocument($"{index}", $"{index},"))];
        var (training, heldOut) = TokenDataset.CreateSplit(documents, ModelTokenizer.Bytes, folder["a.tokens"], folder["b.tokens"], 0.3, seed: 1);
        using (training)
        using (heldOut)
        {
            var parts = TextDocuments.Split(documents, 0.3, 1);
            Assert.Equal(string.Concat(parts.Training.Select(document => document.Text)), string.Concat(All(training).Select(id => (char)id)));
            Assert.Equal(string.Concat(parts.HeldOut.Select(document => document.Text)), string.Concat(All(heldOut).Select(id => (char)id)));
        }
        Assert.Contains("b.tokens: no document falls into this part", Assert.Throws<TextDataException>(() => TokenDataset.CreateSplit(documents[..1], ModelTokenizer.Bytes, folder["a.tokens"], folder["b.tokens"], 0.001)).Message, StringComparison.Ordinal);
        Assert.Contains("a file of its own", Assert.Throws<ArgumentException>(() => TokenDataset.CreateSplit(documents, ModelTokenizer.Bytes, folder["a.tokens"], folder["a.tokens"], 0.3)).Message, StringComparison.Ordinal);
    }
}
