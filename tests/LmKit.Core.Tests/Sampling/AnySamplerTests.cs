using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Text from samplers whose versions are drafts, and options of a text that cannot be.</summary>
[NoTensorLeak]
public sealed class AnySamplerTests
{
    private static readonly GenerationOptions Four = new() { MaxOutputTokens = 4 };

    [Fact]
    public void Of_a_sampler_that_redraws_only_the_last_version_is_text()
    {
        // 256 is a mask that the tokenizer does not have.
        var sampler = new DraftSampler(false, [[256, 256, 256, 256], ['a', 256, 'x', 256], ['a', 'b', 'c', 'd'], ['a', 'b', 'c', 'd']]);
        var generator = new TextGenerator(sampler, ModelTokenizer.Bytes);
        Assert.Equal(["abcd"], generator.Generate(["x"], Four));
        Assert.Equal("abcd", string.Concat(generator.Stream("x", Four)));
        Assert.Equal(["abcd", "abcd"], generator.Generate(["x", "longer"], Four));
    }

    [Fact]
    public void A_grid_that_grows_and_changes_is_still_not_shown_before_its_end()
    {
        var generator = new TextGenerator(new DraftSampler(false, [['x', 'y'], ['a', 'b', 'z'], ['a', 'b', 'c', 'd']]), ModelTokenizer.Bytes);
        Assert.Equal("abcd", string.Concat(generator.Stream("x", Four)));
    }

    [Fact]
    public void A_sampler_that_only_appends_is_shown_as_it_goes_even_where_it_repeats_a_width()
    {
        var sampler = new DraftSampler(true, [[], ['a'], ['a'], ['a', 'b', 'c'], ['a', 'b', 'c']]);
        using var pieces = new TextGenerator(sampler, ModelTokenizer.Bytes).Stream("x", Four).GetEnumerator();
        Assert.True(pieces.MoveNext());
        Assert.Equal(("a", 2), (pieces.Current, sampler.Given));
        var rest = "";
        while (pieces.MoveNext())
            rest += pieces.Current;
        Assert.Equal("bc", rest);
    }

    [Fact]
    public void An_end_of_text_in_the_last_version_ends_the_row_and_an_unknown_id_is_shown_as_one()
    {
        var tokenizer = new ModelTokenizer(new ByteTokenizer(), 256, 'e');
        Assert.Equal(["ab"], new TextGenerator(new DraftSampler(false, [['a', 'b', 'e', 'd']]), tokenizer).Generate(["x"], Four));
        Assert.Equal(["a\ufffdd"], new TextGenerator(new DraftSampler(false, [['a', 300, 'd']]), tokenizer).Generate(["x"], Four));
        Assert.Equal(["a"], new TextGenerator(new DraftSampler(false, [['a', -1, -1]]), tokenizer).Generate(["x"], Four));
        Assert.Equal([""], new TextGenerator(new DraftSampler(false, []), tokenizer).Generate(["x"], Four));
    }

    [Fact]
    public void A_sampler_that_takes_columns_back_is_named()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new TextGenerator(new DraftSampler(true, [['a', 'b'], ['a']]), ModelTokenizer.Bytes).Generate(["x"], Four));
        Assert.Contains(nameof(DraftSampler), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_of_a_text_that_cannot_be_are_refused_at_the_call_by_their_names()
    {
        var generator = new TextGenerator(new DraftSampler(true, [['a']]), ModelTokenizer.Bytes);
        Assert.Equal("MaxOutputTokens", Assert.Throws<ArgumentOutOfRangeException>(() => generator.Stream("x", new() { MaxOutputTokens = -1 })).ParamName);
        Assert.Contains("StopSequences[1]", Assert.Throws<ArgumentException>(() => generator.Stream("x", new() { StopSequences = ["a", null!] })).Message, StringComparison.Ordinal);
        Assert.Contains("Prompt 1 is null", Assert.Throws<ArgumentException>(() => generator.Generate(["x", null!])).Message, StringComparison.Ordinal);
        Assert.Contains("prompt 1 is empty", Assert.Throws<ArgumentException>(() => generator.Generate(["x", ""])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => generator.Stream(""));
        Assert.Throws<ArgumentNullException>(() => generator.Stream(null!));
        Assert.Equal(["a"], generator.Generate(["x"], new() { StopSequences = null! }));
        Assert.Empty(generator.Generate([]));
    }

    [Fact]
    public void As_many_tokens_come_as_are_asked_for()
    {
        using var model = FixedModel.OfLetters(3, 3, 3);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        foreach (var count in new[] { 0, 1, 7 })
            Assert.Equal(count, generator.Generate(["x"], new() { MaxOutputTokens = count })[0].Length);
        Assert.Equal(256, generator.Generate(["x"])[0].Length);
    }

    [Fact]
    public void A_seed_repeats_a_call_and_each_of_its_rows_alone()
    {
        using var model = FixedModel.OfLetters(1, 1, 1, 1);
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        var options = new GenerationOptions { MaxOutputTokens = 30, Seed = 3 };
        var together = generator.Generate(["x", "y"], options);
        Assert.Equal(together, generator.Generate(["x", "y"], options));
        Assert.NotEqual(together[0], together[1]);
        Assert.Equal(together[0], generator.Generate(["x"], options)[0]);
        Assert.Equal(together[1], generator.Generate(["y"], new GenerationOptions { MaxOutputTokens = 30, Seed = 4 })[0]);
    }
}
