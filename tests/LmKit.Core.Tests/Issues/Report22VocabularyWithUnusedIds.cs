namespace LmKit.Core.Tests;

public sealed class Report22VocabularyWithUnusedIds : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Unused_ids_stand_for_nothing_and_the_size_is_the_largest_id_and_one()
    {
        var made = new BytePairVocabulary(new Dictionary<string, int> { ["a"] = 0, ["b"] = 2, ["ab"] = 9 }, ["a b"], null);
        TokenizerFiles.Save(folder.Path, made);
        foreach (var tokenizer in new[] { made.CreateTokenizer(), TokenizerFiles.Load(folder.Path) })
        {
            Assert.Equal(10, tokenizer.VocabSize);
            Assert.Equal([9, 0], tokenizer.Tokenizer.EncodeToIds("aba"));
            Assert.Equal("abab", tokenizer.Tokenizer.Decode([0, 1, 2, 5, 9]));
            Assert.Equal("", new TokenStream.Decoder(tokenizer.Tokenizer).Add(5));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Tokenizer.Decode([10]));
            _ = Assert.Throws<ArgumentOutOfRangeException>(() => new TokenStream.Decoder(tokenizer.Tokenizer).Add(10));
            Assert.NotEmpty(tokenizer.Fingerprint());
        }
    }

    [Fact]
    public void Text_that_no_entry_spells_is_refused_and_not_left_out() =>
        Assert.Contains("U+0063", Assert.Throws<ArgumentException>(() => new BytePairVocabulary(new Dictionary<string, int> { ["a"] = 0, ["b"] = 2 }, [], null).CreateTokenizer().Tokenizer.EncodeToIds("abc")).Message, StringComparison.Ordinal);
}
