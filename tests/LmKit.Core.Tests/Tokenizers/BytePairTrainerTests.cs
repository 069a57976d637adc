using System.Text;
using System.Text.RegularExpressions;

namespace LmKit.Core.Tests;

public class BytePairTrainerTests
{
    private static BytePairVocabulary Train(string text, int size = 400) =>
        new BytePairTrainer(new BytePairOptions { VocabSize = size }).Train([text]);

    [Theory]
    [InlineData(SampleText.Mixed)]
    [InlineData("")]
    public void Any_text_comes_back_from_its_ids(string text)
    {
        var tokenizer = Train(SampleText.Words(1, 5000)).CreateTokenizer();
        foreach (var sample in Enumerable.Range(0, 20).Select(seed => SampleText.Random(seed, 50)).Append(text))
        {
            var ids = tokenizer.Tokenizer.EncodeToIds(sample);
            Assert.Equal(sample, tokenizer.Tokenizer.Decode(ids));
            Assert.All(ids, id => Assert.InRange(id, 0, tokenizer.VocabSize - 1));
            Assert.DoesNotContain(tokenizer.EndOfTextId!.Value, ids);
        }
    }

    [Fact]
    public void The_tokenizer_applies_the_learned_merges_in_order()
    {
        var vocabulary = Train(SampleText.Words(2, 5000) + SampleText.Mixed);
        var tokenizer = vocabulary.CreateTokenizer().Tokenizer;
        foreach (var text in new[] { SampleText.Words(3, 500), SampleText.Mixed, SampleText.Random(4, 200) })
            Assert.Equal(Encode(vocabulary, text), tokenizer.EncodeToIds(text));
    }

    [Fact]
    public void Each_merge_is_the_most_frequent_pair_of_its_moment()
    {
        var text = SampleText.Words(5, 400);
        var vocabulary = Train(text, 320);
        var words = Words(text).Select(Spelled).ToList();
        foreach (var merge in vocabulary.Merges)
        {
            var counts = words
                .SelectMany(word => word.Zip(word.Skip(1)))
                .CountBy(pair => pair)
                .OrderByDescending(pair => pair.Value)
                .ThenBy(pair => vocabulary.Entries[pair.Key.First])
                .ThenBy(pair => vocabulary.Entries[pair.Key.Second])
                .First();
            Assert.Equal($"{counts.Key.First} {counts.Key.Second}", merge);
            words = [.. words.Select(word => Merge(word, counts.Key.First, counts.Key.Second))];
        }
    }

    [Fact]
    public void The_same_text_gives_the_same_vocabulary_in_any_cut_of_documents()
    {
        var a = new BytePairTrainer().Train(["one two two", "three three three"]);
        var b = new BytePairTrainer().Train(["three three three", "one two two"]);
        Assert.Equal(a.Merges, b.Merges);
        Assert.Equal(a.Entries.OrderBy(entry => entry.Value), b.Entries.OrderBy(entry => entry.Value));
    }

    [Fact]
    public void The_size_is_met_and_special_tokens_are_last()
    {
        var options = new BytePairOptions { VocabSize = 300, SpecialTokens = ["<pad>"] };
        var vocabulary = new BytePairTrainer(options).Train([SampleText.Words(6, 5000)]);
        Assert.Equal(300, vocabulary.Entries.Count);
        Assert.Equal(298, vocabulary.Entries["<pad>"]);
        Assert.Equal(299, vocabulary.CreateTokenizer().EndOfTextId);
        Assert.Equal(257, new BytePairTrainer().Train(["ab"]).Entries.Count);
    }

    [Fact]
    public void Seven_megabytes_with_many_rare_words_give_two_thousand_entries()
    {
        var text = SampleText.Words(7, 400_000) + string.Concat(Enumerable.Range(0, 700_000).Select(i => $"w{i % 60_000:x} "));
        Assert.Equal(2_000, Train(text, 2_000).Entries.Count);
    }

    [Fact]
    public void Bad_options_and_empty_text_are_refused_by_name()
    {
        Assert.Contains("VocabSize is 200", Assert.Throws<ArgumentException>(() => new BytePairTrainer(new BytePairOptions { VocabSize = 200 })).Message, StringComparison.Ordinal);
        Assert.Contains("MinimumCount is 0", Assert.Throws<ArgumentException>(() => new BytePairTrainer(new BytePairOptions { MinimumCount = 0 })).Message, StringComparison.Ordinal);
        Assert.Contains("SpecialTokens", Assert.Throws<ArgumentException>(() => new BytePairTrainer(new BytePairOptions { SpecialTokens = ["a", "a"] })).Message, StringComparison.Ordinal);
        Assert.Contains("no text", Assert.Throws<ArgumentException>(() => new BytePairTrainer().Train([""])).Message, StringComparison.Ordinal);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        _ = Assert.Throws<OperationCanceledException>(() => new BytePairTrainer().Train(["a b"], stop.Token));
    }

    private static IEnumerable<string> Words(string text) =>
        Regex.Matches(text, @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+").Select(match => match.Value);

    private static List<string> Spelled(string word) => [.. Encoding.UTF8.GetBytes(word).Select(value => ByteAlphabet.Spell([value]))];

    private static List<string> Merge(List<string> word, string left, string right)
    {
        var merged = new List<string>();
        for (var i = 0; i < word.Count; i++)
        {
            var isPair = i + 1 < word.Count && word[i] == left && word[i + 1] == right;
            merged.Add(isPair ? left + right : word[i]);
            i += isPair ? 1 : 0;
        }
        return merged;
    }

    private static List<int> Encode(BytePairVocabulary vocabulary, string text) =>
        [.. Words(text).SelectMany(word => vocabulary.Merges
            .Select(merge => merge.Split(' '))
            .Aggregate(Spelled(word), (tokens, merge) => Merge(tokens, merge[0], merge[1])))
            .Select(token => vocabulary.Entries[token])];
}
