using System.Text;

namespace LmKit.Core.Tests;

public class Report20LettersBeyondTheFirstPlane
{
    [Theory]
    [InlineData("x\ud835\udcb3y z", "x\ud835\udcb3y| z")]
    [InlineData(" \ud835\udcb3\ud835\udcb3 12\ud835\udfd9", " \ud835\udcb3\ud835\udcb3| 12\ud835\udfd9")]
    [InlineData("a\ud83d\ude80!b", "a|\ud83d\ude80!|b")]
    [InlineData("\ud83d\ude80\ud835\udcb3", "\ud83d\ude80|\ud835\udcb3")]
    [InlineData("\ud83d\ude80's  \ud83d\ude80", "\ud83d\ude80'|s| | \ud83d\ude80")]
    [InlineData("it's  ok\n\n x", "it|'s| | ok|\n\n| x")]
    public void The_cut_takes_letters_digits_and_signs_of_every_plane_for_what_they_are(string text, string words)
    {
        Assert.Equal(words.Split('|'), GptPreTokenizer.Instance.PreTokenize(text).Select(word => text.Substring(word.Offset, word.Length)));
        Assert.Equal(GptPreTokenizer.Instance.PreTokenize(text), GptPreTokenizer.Instance.PreTokenize(text.AsSpan()));
    }

    [Fact]
    public void Half_a_pair_is_a_sign() =>
        Assert.Equal([(0, 1), (1, 1), (2, 1), (3, 1)], GptPreTokenizer.Instance.PreTokenize("a\ud800b\udc00"));

    [Fact]
    public void A_merge_across_such_a_letter_is_used_and_learned()
    {
        var vocabulary = new BytePairTrainer(new BytePairOptions { VocabSize = 300, MinimumCount = 1 }).Train(["plain text"]);
        var first = ByteAlphabet.Spell([Encoding.UTF8.GetBytes("\ud835\udcb3")[0]]);
        var entries = new Dictionary<string, int>(vocabulary.Entries) { ["x" + first] = vocabulary.Entries.Count };
        var tokenizer = new BytePairVocabulary(entries, [$"x {first}", .. vocabulary.Merges], null).CreateTokenizer().Tokenizer;
        Assert.Contains(entries["x" + first], tokenizer.EncodeToIds("x\ud835\udcb3"));

        var learned = new BytePairTrainer(new BytePairOptions { VocabSize = 300, MinimumCount = 2 }).Train(["x\ud835\udcb3 x\ud835\udcb3 x\ud835\udcb3"]);
        _ = Assert.Single(learned.CreateTokenizer().Tokenizer.EncodeToIds("x\ud835\udcb3"));
    }
}
