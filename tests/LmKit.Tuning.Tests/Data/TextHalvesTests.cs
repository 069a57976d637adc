using System.Text;
using Microsoft.ML.Tokenizers;

namespace LmKit.Tuning.Tests;

public class TextHalvesTests
{
    [Theory]
    [InlineData(3, "one two.")]
    [InlineData(5, "one two.")]
    [InlineData(6, "one two. three four five six.")]
    public void A_cut_that_snaps_to_a_sentence_stays_within_the_bound(int bound, string expected) =>
        Assert.Equal(expected, TextHalves.Split("one two. three four five six. seven eight nine ten eleven twelve", bound, snapsToSentence: true)!.Prompt);

    [Fact]
    public void A_tokenizer_that_rewrites_the_text_does_not_move_the_cut()
    {
        // Three letters become one, so that its places are not the text's.
        const string text = "xxxxxx bb";
        var vocabulary = new MemoryStream(Encoding.UTF8.GetBytes("{\"a\":0,\"b\":1,\"x\":2}"));
        var tokenizer = BpeTokenizer.Create(vocabulary, null, preTokenizer: null, normalizer: new Thirds());

        var halves = TextHalves.Split(text, new SplitOptions { Unit = SplitUnit.Token, Fraction = 0.5 }, tokenizer: tokenizer)!;

        Assert.Equal(("xxxx", "xx bb"), (halves.Prompt, halves.Reference));
    }

    private sealed class Thirds : Normalizer
    {
        public override string Normalize(string original) => original.Replace("xxx", "a", StringComparison.Ordinal);

        public override string Normalize(ReadOnlySpan<char> original) => Normalize(original.ToString());
    }
}
