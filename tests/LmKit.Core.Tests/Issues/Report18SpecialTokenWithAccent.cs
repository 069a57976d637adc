namespace LmKit.Core.Tests;

public sealed class Report18SpecialTokenWithAccent : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("<ni\u00f1o>")]
    [InlineData("\u0120\u0120")]
    [InlineData("<\u4e2d\ud83d\ude80>")]
    [InlineData("plain")]
    [InlineData("\u00e9\u00e9")]
    public void A_special_token_is_its_own_letters_streamed_and_whole_and_after_a_file(string special)
    {
        var vocabulary = new BytePairTrainer(new BytePairOptions { VocabSize = 300, SpecialTokens = [special], MinimumCount = 1 }).Train(["some text to learn from, some text"]);
        TokenizerFiles.Save(folder.Path, vocabulary);
        foreach (var tokenizer in new[] { vocabulary.CreateTokenizer().Tokenizer, TokenizerFiles.Load(folder.Path).Tokenizer })
        {
            int[] ids = [vocabulary.Entries["h"], vocabulary.Entries[special], vocabulary.Entries["h"]];
            var decoder = new TokenStream.Decoder(tokenizer);
            Assert.Equal($"h{special}h", string.Concat(ids.Select(decoder.Add)) + decoder.Flush());
            Assert.Equal($"h{special}h", tokenizer.Decode(ids));
            Assert.DoesNotContain(vocabulary.Entries[special], tokenizer.EncodeToIds($"h{special}h"));
        }
    }
}
