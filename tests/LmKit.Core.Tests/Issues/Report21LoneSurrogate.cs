namespace LmKit.Core.Tests;

public class Report21LoneSurrogate
{
    // No attributes: they are stored as UTF-8, which has no halves.
    private static readonly string[] Texts = ["\ud800x", "x\udc00", "\udc00\ud800", "a\ud83d\ude80\ud83d b"];

    [Fact]
    public void Half_a_pair_is_one_replacement_in_both_tokenizers()
    {
        foreach (var text in Texts)
            Same(text);
    }

    private static void Same(string text)
    {
        var pairs = new BytePairTrainer(new BytePairOptions { VocabSize = 257, MinimumCount = 1, EndOfText = null }).Train(["text"]).CreateTokenizer().Tokenizer;
        Assert.Contains(text, char.IsSurrogate);
        var bytes = ModelTokenizer.Bytes.Tokenizer.EncodeToIds(text);
        Assert.Equal(bytes, pairs.EncodeToIds(text));
        Assert.Equal(bytes.Count, pairs.CountTokens(text));
        Assert.Equal(bytes, pairs.EncodeToTokens(text, out _).Select(token => token.Id));
        Assert.Equal(bytes, pairs.EncodeToIds(text.AsSpan()));
        Assert.Equal(ModelTokenizer.Bytes.Tokenizer.Decode(bytes), pairs.Decode(bytes));
    }
}
