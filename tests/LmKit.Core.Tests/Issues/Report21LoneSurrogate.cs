namespace LmKit.Core.Tests;

public class Report21LoneSurrogate
{
    [Theory]
    [InlineData("\ud800x")]
    [InlineData("x\udc00")]
    [InlineData("\udc00\ud800")]
    [InlineData("a\ud83d\ude80\ud83d b")]
    public void Half_a_pair_is_one_replacement_in_both_tokenizers(string text)
    {
        var pairs = new BytePairTrainer(new BytePairOptions { VocabSize = 257, MinimumCount = 1, EndOfText = null }).Train(["text"]).CreateTokenizer().Tokenizer;
        var bytes = ModelTokenizer.Bytes.Tokenizer.EncodeToIds(text);
        Assert.Equal(bytes, pairs.EncodeToIds(text));
        Assert.Equal(bytes.Count, pairs.CountTokens(text));
        Assert.Equal(bytes, pairs.EncodeToTokens(text, out _).Select(token => token.Id));
        Assert.Equal(bytes, pairs.EncodeToIds(text.AsSpan()));
        Assert.Equal(ModelTokenizer.Bytes.Tokenizer.Decode(bytes), pairs.Decode(bytes));
    }
}
