using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>A sample ends where the model can read no further.</summary>
[NoTensorLeak]
public sealed class ContextLengthTests
{
    private const long Longest = 8;

    [Fact]
    public void Learned_positions_bound_what_a_model_can_read_and_nothing_else_does()
    {
        using var bounded = Model();
        using var free = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
        Assert.Equal(Longest, ((ILanguageModel)bounded).ContextLength);
        Assert.Null(((ILanguageModel)free).ContextLength);
        using var stub = new GoldenStub();
        Assert.Null(((ILanguageModel)stub).ContextLength);
    }

    // The last token is drawn from all that fits; it need not be read itself.
    [Theory]
    [InlineData(1, 8)]
    [InlineData(5, 4)]
    [InlineData(8, 1)]
    public void A_row_is_given_tokens_as_long_as_they_can_be_read(int promptLength, int count)
    {
        using var model = Model();
        Assert.Equal(promptLength + count, Width(model, promptLength, 30));
        Assert.Equal(promptLength + count, Width(model, promptLength, count));
        Assert.Equal(promptLength + count - 1, Width(model, promptLength, count - 1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_row_that_is_full_leaves_the_others_as_they_are_alone(bool hasStop)
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var sampler = new AutoregressiveSampler(model, new() { Temperature = 0, StopTokens = hasStop ? [First(model)] : [] });
        long[][] prompts = [[1, 2, 3, 4, 5, 6], [3], [4, 5, 6]];
        var together = Rows(sampler, prompts);
        for (var row = 0; row < prompts.Length; row++)
        {
            var alone = Rows(sampler, [prompts[row]])[0];
            Assert.Equal(alone, together[row][..alone.Length]);
            Assert.All(together[row][alone.Length..], token => Assert.Equal(-1, token));
        }
        Assert.Contains(together, row => row[^1] != -1);
    }

    [Fact]
    public void A_prompt_that_is_too_long_is_refused_with_its_row_before_anything_is_computed()
    {
        using var scope = NewDisposeScope();
        using var model = Model();
        var prompt = tensor(new long[] { -1, -1, 1, 2, 3, 4, 5, 6, 7, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1 }, [2, 10]);
        var error = Assert.Throws<ArgumentException>(() => new AutoregressiveSampler(model).Sample(prompt, 1));
        Assert.Contains("Row 1 of the prompt has 10 tokens", error.Message, StringComparison.Ordinal);
        Assert.Contains("reads 8 at most", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_ends_with_what_could_be_said()
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().AddLearnedPositions(8).Build();
        using var eager = new FixedModel(FixedModel.OfLetters(5).Values) { ContextLength = Longest };
        Assert.Equal("aaaa", new TextGenerator(new AutoregressiveSampler(eager), ModelTokenizer.Bytes).Generate(["hello"])[0]);
        Assert.Equal(4, string.Concat(new TextGenerator(new AutoregressiveSampler(model, null, LettersOnly), ModelTokenizer.Bytes).Stream("hello")).Length);
    }

    private static Tensor LettersOnly(Tensor logits, Tensor tokens, long promptLength)
    {
        using var scope = NewDisposeScope();
        var kept = full_like(logits, double.NegativeInfinity);
        kept.narrow(1, 'a', 26).copy_(logits.narrow(1, 'a', 26));
        return kept.MoveToOuterDisposeScope();
    }

    private static long First(LanguageModel model) => Rows(new AutoregressiveSampler(model, new() { Temperature = 0 }), [[3]])[0][3];

    private static long[][] Rows(AutoregressiveSampler sampler, long[][] prompts)
    {
        using var scope = NewDisposeScope();
        var width = prompts.Max(prompt => prompt.Length);
        var prompt = tensor(prompts.SelectMany(row => Enumerable.Repeat(-1L, width - row.Length).Concat(row)).ToArray(), [prompts.Length, width]);
        Tensor? last = null;
        foreach (var grid in sampler.Sample(prompt, 30))
        {
            last?.Dispose();
            last = grid;
        }
        using (last)
            return [.. HostValues.Read(last!).Chunk((int)last!.size(1)).Select((row, index) => row[(width - prompts[index].Length)..])];
    }

    private static long Width(LanguageModel model, int promptLength, long count)
    {
        using var scope = NewDisposeScope();
        var widths = new List<long>();
        foreach (var grid in new AutoregressiveSampler(model).Sample(ones(1, promptLength, dtype: ScalarType.Int64), count))
        {
            using (grid)
                widths.Add(grid.size(1));
        }
        return widths[^1];
    }

    private static LanguageModel Model()
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2, Dtype = ScalarType.Float64 }.AddAttention().AddLearnedPositions(Longest);
        builder.Options.InitializerRange = 1;
        return builder.Build();
    }

    // Says nothing of its longest text.
    private sealed class GoldenStub : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel
    {
        internal GoldenStub()
            : base(nameof(GoldenStub))
        {
        }

        public long VocabSize => 1;

        public bool IsCausal => true;

        public MixerState NewState(long batch) => throw new NotSupportedException();

        public Tensor Hidden(Tensor tokens, SequenceContext? context = null) => throw new NotSupportedException();

        public Tensor Logits(Tensor hidden) => throw new NotSupportedException();

        public override Tensor forward(Tensor tokens, SequenceContext? context) => throw new NotSupportedException();
    }
}
