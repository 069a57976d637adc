using Microsoft.Extensions.AI;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>What an embedding generator refuses, in one sentence that names what is wrong.</summary>
public sealed class EmbeddingRefusalTests : IDisposable
{
    private readonly LanguageModel model = EmbeddingGeneratorTests.Toy();

    public void Dispose() => model.Dispose();

    [Theory]
    [InlineData("", "Text 1 has no token (0 characters)")]
    [InlineData(null, "Text 1 is null")]
    [InlineData("far too long", "Text 1 has 12 tokens; MaxTextTokens allows 7 tokens at most")]
    public async Task A_text_that_cannot_be_read_is_refused_by_its_index(string? text, string wanted)
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { MaxTextTokens = 7 });
        var error = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["fine", text!, "fine"]));
        Assert.StartsWith(wanted, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Blanks_that_a_tokenizer_drops_are_no_text()
    {
        var tokenizer = TokenizerFiles.Load(Path.Combine(LmKit.Conformance.GoldenSource.Repository.Root!, "core", "tokenizers", "bert-wordpiece"));
        using var wide = EmbeddingGeneratorTests.Toy(tokenizer.VocabSize);
        using var generator = wide.AsEmbeddingGenerator(tokenizer, new LanguageModelEmbeddingOptions { Prefix = "a " });
        Assert.Contains("Text 0 has no token (2 characters)", (await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync(["  "]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_text_beyond_the_models_positions_is_refused_with_both_lengths()
    {
        using var small = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1 }.AddAttention().AddLearnedPositions(20).Build();
        using var generator = small.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        var error = await Assert.ThrowsAsync<ArgumentException>(() => generator.GenerateAsync([new string('a', 20), new string('a', 21)]));
        Assert.Contains("Text 1 has 21 tokens; this model reads 20 tokens at most", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, (await generator.GenerateAsync([new string('a', 20), "b"])).Count);
        Refused<ArgumentOutOfRangeException>("more than the 20 tokens", () => small.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { MaxTextTokens = 21 }));
        Refused<ArgumentException>("no text fits beside them", () => small.AsEmbeddingGenerator(ModelTokenizer.Bytes, new LanguageModelEmbeddingOptions { Prefix = new string('a', 20) }));
    }

    [Fact]
    public async Task Options_of_a_request_that_cannot_be_obeyed_are_refused_by_name()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        await Refuses<ArgumentException>("ModelId asks for 'other'", new() { ModelId = "other" });
        await Refuses<NotSupportedException>("Dimensions = 4: this model's vectors have 8 numbers", new() { Dimensions = 4 });
        await Refuses<NotSupportedException>("AdditionalProperties holds user", new() { AdditionalProperties = new() { ["user"] = "me" } });
        await Refuses<NotSupportedException>("RawRepresentationFactory", new() { RawRepresentationFactory = _ => new object() });
        Assert.Single(await generator.GenerateAsync(["a"], new EmbeddingGenerationOptions { ModelId = "lmkit", Dimensions = 8, RawRepresentationFactory = _ => null, AdditionalProperties = [] }));

        async Task Refuses<TError>(string wanted, EmbeddingGenerationOptions options)
            where TError : Exception =>
            Assert.Contains(wanted, (await Assert.ThrowsAsync<TError>(() => generator.GenerateAsync(["a"], options))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_out_of_their_range_are_refused_when_it_is_made()
    {
        Refused<ArgumentOutOfRangeException>("BatchSize = 0", () => Make(options => options.BatchSize = 0));
        Refused<ArgumentOutOfRangeException>("MaxBatchTokens = -1", () => Make(options => options.MaxBatchTokens = -1));
        Refused<ArgumentOutOfRangeException>("MaxParallelBatches = 0", () => Make(options => options.MaxParallelBatches = 0));
        Refused<ArgumentOutOfRangeException>("MaxTextTokens = 0", () => Make(options => options.MaxTextTokens = 0));
        Refused<ArgumentOutOfRangeException>("Pooling", () => Make(options => options.Pooling = (EmbeddingPooling)7));
        Refused<ArgumentNullException>("Prefix", () => Make(options => options.Prefix = null!));
        Refused<ArgumentNullException>("ModelId", () => Make(options => options.ModelId = null!));

        IEmbeddingGenerator Make(Action<LanguageModelEmbeddingOptions> set)
        {
            var options = new LanguageModelEmbeddingOptions();
            set(options);
            return model.AsEmbeddingGenerator(ModelTokenizer.Bytes, options);
        }
    }

    [Fact]
    public async Task A_model_in_training_mode_is_refused()
    {
        using var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        model.train();
        Refused<InvalidOperationException>("call eval() first", () => model.AsEmbeddingGenerator(ModelTokenizer.Bytes));
        Assert.Contains("call eval() first", (await Assert.ThrowsAsync<InvalidOperationException>(() => generator.GenerateAsync(["a"]))).Message, StringComparison.Ordinal);
        model.eval();
        Assert.Single(await generator.GenerateAsync(["a"]));
    }

    [Fact]
    public async Task Hidden_states_that_are_not_finite_are_told_by_the_texts_index()
    {
        using var broken = EmbeddingGeneratorTests.Toy();
        EmbeddingGeneratorTests.Break(broken);
        using var generator = broken.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        Assert.StartsWith("The vector of text 0 is not finite", (await Assert.ThrowsAsync<InvalidOperationException>(() => generator.GenerateAsync(["a"]))).Message, StringComparison.Ordinal);
        EmbeddingGeneratorTests.Break(broken, with: 0);
        Assert.StartsWith("The vector of text 0 is zero", (await Assert.ThrowsAsync<InvalidOperationException>(() => generator.GenerateAsync(["a"]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_disposed_is_refused()
    {
        var generator = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        generator.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => generator.GenerateAsync(["a"]));
        using var other = model.AsEmbeddingGenerator(ModelTokenizer.Bytes);
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => other.GenerateAsync(["a"]));
    }

    [Fact]
    public void Models_that_have_no_vectors_to_give_are_refused_by_name()
    {
        using var few = EmbeddingGeneratorTests.Toy(vocabSize: 255);
        Refused<ArgumentException>("The tokenizer has 256 ids and the model 255", () => few.AsEmbeddingGenerator(ModelTokenizer.Bytes));
        using var silent = new HiddenStates(() => throw new NotSupportedException("Logits only."));
        Refused<NotSupportedException>("HiddenStates gives no hidden states, of which vectors of texts are made: Logits only.", () => silent.AsEmbeddingGenerator(ModelTokenizer.Bytes));
        using var flat = new HiddenStates(() => zeros(3));
        Refused<NotSupportedException>("HiddenStates gives hidden states Float32 (3)", () => flat.AsEmbeddingGenerator(ModelTokenizer.Bytes));
        using var told = new HiddenStates(() => zeros(1, 16, 4)) { Conditioning = new Level() };
        Refused<NotSupportedException>("This model is conditioned by Level", () => told.AsEmbeddingGenerator(ModelTokenizer.Bytes));
    }

    private static void Refused<TError>(string wanted, Func<object> make)
        where TError : Exception => Assert.Contains(wanted, Assert.Throws<TError>(make).Message, StringComparison.Ordinal);

    private sealed class Level() : nn.Module<Tensor, Tensor>(nameof(Level)), IConditioning
    {
        public long ConditionDim => 1;

        public override Tensor forward(Tensor input) => input;
    }

    private sealed class HiddenStates : nn.Module<Tensor, SequenceContext?, Tensor>, ILanguageModel
    {
        private readonly Func<Tensor> make;

        internal HiddenStates(Func<Tensor> make)
            : base(nameof(HiddenStates))
        {
            this.make = make;
            eval();
        }

        public long VocabSize => 256;

        public bool IsCausal => true;

        public IConditioning? Conditioning { get; init; }

        public MixerState NewState(long batch) => throw new NotSupportedException();

        public Tensor Hidden(Tensor tokens, SequenceContext? context = null) => make();

        public Tensor Logits(Tensor hidden) => throw new NotSupportedException();

        public override Tensor forward(Tensor tokens, SequenceContext? context) => throw new NotSupportedException();
    }
}
