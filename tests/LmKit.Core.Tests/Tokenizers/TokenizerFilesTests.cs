using Microsoft.ML.Tokenizers;

namespace LmKit.Core.Tests;

public sealed class TokenizerFilesTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private static BytePairVocabulary Vocabulary { get; } =
        new BytePairTrainer(new BytePairOptions { VocabSize = 320 }).Train([SampleText.Words(1, 2000) + SampleText.Mixed]);

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_saved_vocabulary_gives_the_same_ids_and_end_of_text()
    {
        TokenizerFiles.Save(folder.Path, Vocabulary);
        Assert.Equal(["lmkit_tokenizer.json", "merges.txt", "vocab.json"], folder.Names);
        var loaded = TokenizerFiles.Load(folder.Path);
        var original = Vocabulary.CreateTokenizer();
        Assert.Equal(original.Tokenizer.EncodeToIds(SampleText.Mixed), loaded.Tokenizer.EncodeToIds(SampleText.Mixed));
        Assert.Equal((original.VocabSize, original.EndOfTextId), (loaded.VocabSize, loaded.EndOfTextId));
        Assert.Equal(original.Fingerprint(), loaded.Fingerprint());
    }

    [Theory]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    public void A_vocabulary_of_somebody_else_is_not_replaced(string name)
    {
        File.WriteAllText(folder[name], "theirs");
        Assert.Contains(name, Assert.Throws<IOException>(() => TokenizerFiles.Save(folder.Path, Vocabulary)).Message, StringComparison.Ordinal);
        Assert.Equal("theirs", File.ReadAllText(folder[name]));
        Assert.Equal([name], folder.Names);
        File.Delete(folder[name]);
        TokenizerFiles.Save(folder.Path, Vocabulary);
        TokenizerFiles.Save(folder.Path, Vocabulary); // its own are
    }

    [Fact]
    public void The_two_files_load_in_the_library_by_itself()
    {
        TokenizerFiles.Save(folder.Path, Vocabulary);
        var text = "the taring's 42 na\u00efve \ud83d\udc4d";
        var expected = Vocabulary.CreateTokenizer().Tokenizer.EncodeToIds(text);
        Tokenizer codeGen;
        using (var vocabulary = File.OpenRead(folder["vocab.json"]))
        using (var merges = File.OpenRead(folder["merges.txt"]))
            codeGen = CodeGenTokenizer.Create(vocabulary, merges, addPrefixSpace: false, addBeginOfSentence: false, addEndOfSentence: false);
        var pairs = BpeTokenizer.Create(new BpeOptions(folder["vocab.json"], folder["merges.txt"])
        {
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(GptPreTokenizer.Words(), null),
        });
        Assert.Equal(expected, codeGen.EncodeToIds(text));
        Assert.Equal(expected, pairs.EncodeToIds(text));
    }

    [Fact]
    public void A_folder_without_the_kind_file_is_read_as_gpt2s()
    {
        TokenizerFiles.Save(folder.Path, Vocabulary);
        File.Delete(folder["lmkit_tokenizer.json"]);
        Assert.Equal(Vocabulary.Entries["<|endoftext|>"], TokenizerFiles.Load(folder.Path).EndOfTextId);
    }

    [Fact]
    public void The_byte_tokenizer_is_kept_by_name()
    {
        TokenizerFiles.SaveBytes(folder.Path);
        Assert.IsType<ByteTokenizer>(TokenizerFiles.Load(folder.Path).Tokenizer);
    }

    [Theory]
    [InlineData("lmkit_tokenizer.json", "{\"kind\":\"other\"}", "kind 'other' is unknown")]
    [InlineData("lmkit_tokenizer.json", "{", "JSON")]
    [InlineData("lmkit_tokenizer.json", "{\"kind\":\"byte-pair\",\"end_of_text\":\"<no>\"}", "'<no>' is not in the vocabulary")]
    [InlineData("lmkit_tokenizer.json", "null", "null")]
    [InlineData("lmkit_tokenizer.json", "{\"kind\":\"\\ud800\"}", "JSON")]
    [InlineData("lmkit_tokenizer.json", "{\"kind\":5}", "JSON")]
    [InlineData("lmkit_tokenizer.json", "{}", "kind '' is unknown")]
    [InlineData("vocab.json", "", "JSON")]
    [InlineData("vocab.json", "{}", "no entries")]
    [InlineData("vocab.json", "{\"a\":0,\"b\":0}", "both have the id 0")]
    [InlineData("vocab.json", "{\"a\":-1}", "has id -1")]
    [InlineData("vocab.json", "{\"a\":2147483647}", "has id 2147483647")]
    [InlineData("vocab.json", "{\"a\":2147483648}", "JSON")]
    [InlineData("vocab.json", "{\"a\":1.5}", "JSON")]
    [InlineData("vocab.json", "{\"a\":null}", "JSON")]
    [InlineData("vocab.json", "{\"\\ud800\":0}", "JSON")]
    [InlineData("vocab.json", "{\"a\":0", "JSON")]
    [InlineData("merges.txt", "#version: 0.2\nt a\n\nt a\n", "merges.txt:4")]
    [InlineData("merges.txt", "t a r\n", "merges.txt:1")]
    [InlineData("merges.txt", "t  a\n", "merges.txt:1")]
    [InlineData("vocab.json", "{\"a\":0,\"a\":1}", "JSON")]
    [InlineData("vocab.json", "[]", "JSON")]
    [InlineData("merges.txt", "#version: 0.2\na zzz\n", "merges.txt:2")]
    public void A_malformed_file_is_refused_by_name(string file, string content, string fault)
    {
        TokenizerFiles.Save(folder.Path, Vocabulary);
        File.WriteAllText(folder["merges.txt"], string.Empty);
        File.WriteAllText(folder[file], content);
        var error = Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path));
        Assert.Contains(fault, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocab.json", "{\"*\":0}")]
    [InlineData("merges.txt", "t *\n")]
    [InlineData("lmkit_tokenizer.json", "{\"kind\":\"*\"}")]
    public void Bytes_that_are_no_text_are_refused_by_name(string file, string content)
    {
        TokenizerFiles.Save(folder.Path, Vocabulary);
        File.WriteAllBytes(folder[file], [.. content.Select(letter => letter == '*' ? (byte)0xff : (byte)letter)]);
        Assert.StartsWith(folder[file], Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a b|a b")]
    [InlineData("a c")]
    [InlineData("a")]
    public void Merges_that_are_none_are_refused_before_there_is_a_tokenizer(string merges) =>
        Assert.Contains("merge", Assert.Throws<ArgumentException>(() => new BytePairVocabulary(new Dictionary<string, int> { ["a"] = 0, ["b"] = 1, ["ab"] = 2 }, merges.Split('|'), null)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_missing_file_is_named()
    {
        Assert.Contains("no tokenizer", Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message, StringComparison.Ordinal);
        TokenizerFiles.Save(folder.Path, Vocabulary);
        File.Delete(folder["merges.txt"]);
        Assert.Contains("merges.txt", Assert.Throws<TokenizerException>(() => TokenizerFiles.Load(folder.Path)).Message, StringComparison.Ordinal);
    }
}
