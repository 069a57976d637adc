using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class PerplexityTests
{
    private static readonly int[] text = [.. Enumerable.Range(0, 53).Select(place => place * place * 7 % 11)];

    public static TheoryData<long, long, int> Cuts => new()
    {
        { 16, 0, 1 }, { 16, 4, 1 }, { 16, 4, 3 }, { 16, 15, 4 }, { 7, 3, 2 }, { 53, 0, 1 }, { 100, 1, 1 }, { 2, 1, 8 }, { 2, 0, 3 }, { 16, 14, 5 },
    };

    [Theory]
    [MemberData(nameof(Cuts))]
    public void It_is_the_mean_loss_of_every_token_given_its_window(long length, long stride, int batch)
    {
        using var model = Model();
        var result = Perplexity.Compute(model, [text], new PerplexityOptions { WindowLength = length, Stride = stride, BatchSize = batch });
        var expected = ByHand(model, text, length, stride == 0 ? length - 1 : stride);
        Assert.Equal(text.Length - 1, result.Loss.TokenCount);
        Assert.Equal(expected.Average(token => token.Loss), result.Loss.Value, 12);
        Assert.Equal(Math.Exp(expected.Average(token => token.Loss)), result.Perplexity.Value, 10);
        Assert.Null(result.BitsPerByte);
    }

    [Fact]
    public void Positions_are_counted_in_the_window()
    {
        using var model = Model();
        var result = Perplexity.Compute(model, [text], new PerplexityOptions { WindowLength = 16, Stride = 5, PositionsPerBin = 4 });
        var expected = ByHand(model, text, 16, 5).GroupBy(token => token.Position / 4).OrderBy(bin => bin.Key).ToArray();
        Assert.Equal(expected.Select(bin => (bin.Key * 4, 4L, (long)bin.Count())), result.Positions.Select(bin => (bin.From, bin.Width, bin.Count)));
        foreach (var (bin, wanted) in result.Positions.Zip(expected))
            Assert.Equal(wanted.Average(token => token.Loss), bin.Loss, 12);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(52)]
    [InlineData(1000)]
    public void Read_as_a_stream_every_token_sees_all_before_it(long piece)
    {
        using var model = Model();
        var result = Perplexity.Compute(model, [text, text[..3], [], [4]], new PerplexityOptions { IsStreamed = true, WindowLength = piece, PositionsPerBin = 1 });
        var expected = ByHand(model, text, text.Length, text.Length).Concat(ByHand(model, text[..3], 3, 3)).ToArray();
        Assert.Equal(expected.Length, result.Loss.TokenCount);
        Assert.Equal(expected.Average(token => token.Loss), result.Loss.Value, 12);
        Assert.Equal(52, result.Positions.Count);
        Assert.Equal(2, result.Positions[0].Count);
    }

    [Fact]
    public void Texts_are_read_by_themselves_and_a_prefix_lets_the_first_token_count()
    {
        using var model = Model();
        var texts = new[] { text[..20], text[20..22], text[22..] };
        var plain = Perplexity.Compute(model, texts, new PerplexityOptions { WindowLength = 16, BatchSize = 2 });
        var expected = texts.SelectMany(part => ByHand(model, part, 16, 15)).ToArray();
        Assert.Equal(expected.Average(token => token.Loss), plain.Loss.Value, 12);
        var prefixed = Perplexity.Compute(model, texts, new PerplexityOptions { WindowLength = 16, BatchSize = 4, PrefixToken = 9 });
        expected = [.. texts.SelectMany(part => ByHand(model, [9, .. part], 16, 15))];
        Assert.Equal(text.Length, prefixed.Loss.TokenCount);
        Assert.Equal(expected.Average(token => token.Loss), prefixed.Loss.Value, 12);
    }

    [Fact]
    public void A_text_and_a_stored_data_set_give_the_same_and_bits_per_byte()
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 8, LayerCount = 1, Dtype = ScalarType.Float64 };
        using var model = builder.AddAttention().AddRotary().Build();
        using var folder = new TemporaryFolder();
        const string Words = "Perplexity \u00e4 is measured.";
        using var data = TokenDataset.Create([new TextDocument("a", Words)], ModelTokenizer.Bytes, Path.Combine(folder.Path, "tokens"));
        var options = new PerplexityOptions { WindowLength = 8, Stride = 3 };
        var (ofText, ofData) = (Perplexity.Compute(model, [Words], ModelTokenizer.Bytes, options), Perplexity.Compute(model, data, options));
        Assert.Equal(ofText.Loss.Value, ofData.Loss.Value);
        Assert.Equal(26, ofText.ByteCount);
        Assert.Equal(25 * ofText.Loss.Value / Math.Log(2) / 26, ofText.BitsPerByte!.Value, 12);
    }

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("gpt2-base")]
    [InlineData("gemma2")]
    [InlineData("bloom")]
    public void Of_a_published_folder_it_equals_the_official_logits(string name)
    {
        var folder = Path.Combine(GoldenSource.Repository.Root!, "core", "models", name);
        using var scope = NewDisposeScope();
        using var reader = new SafetensorsReader(Path.Combine(folder, "expected.safetensors"));
        var (ids, logits) = (reader.Read("input_ids"), reader.Read("logits"));
        using var published = PublishedModel.Load(folder, dtype: ScalarType.Float64);
        double sum = 0;
        var texts = new List<int[]>();
        for (var row = 0; row < ids.size(0); row++)
        {
            int[] tokens = [.. ids[row].contiguous().data<long>().Select(id => (int)id)];
            texts.Add(tokens);
            for (var place = 1; place < tokens.Length; place++)
                sum += Loss(logits[row, place - 1].data<double>().ToArray(), tokens[place]);
        }
        var result = Perplexity.Compute(published.Model, texts, new PerplexityOptions { WindowLength = ids.size(1), BatchSize = 2 });
        Assert.Equal(Math.Exp(sum / result.Loss.TokenCount), result.Perplexity.Value, 1e-9 * result.Perplexity.Value);
        var streamed = Perplexity.Compute(published.Model, texts, new PerplexityOptions { IsStreamed = true, WindowLength = 7 });
        Assert.Equal(result.Loss.Value, streamed.Loss.Value, 10);
    }

    [Fact]
    public void Two_measurements_are_compared_window_by_window()
    {
        using var model = Model();
        var options = new PerplexityOptions { WindowLength = 8, Stride = 4 };
        var before = Perplexity.Compute(model, [text], options);
        using var changed = model.With(builder => builder.AddSlidingWindowMask(mask => mask.Window = 2));
        var after = Perplexity.Compute(changed, [text], options);
        var difference = Perplexity.Compare(before, after);
        Assert.Equal(after.Loss.Value - before.Loss.Value, difference.Value, 12);
        Assert.NotEqual(0, difference.Value);
        Assert.Equal(before.Units.Count, difference.UnitCount);
        Assert.Equal(0, Perplexity.Compare(before, before).Value);
        var error = Assert.Throws<ArgumentException>(() => Perplexity.Compare(before, Perplexity.Compute(changed, [text], new PerplexityOptions { WindowLength = 8 })));
        Assert.Contains("other texts or windows", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_precision_is_measured_in_float32()
    {
        using var narrow = Model(ScalarType.BFloat16);
        using var wide = Model(ScalarType.Float32);
        var options = new PerplexityOptions { WindowLength = 16 };
        Assert.Equal(Perplexity.Compute(wide, [text], options).Loss.Value, Perplexity.Compute(narrow, [text], options).Loss.Value, 0.02);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused_by_name()
    {
        using var model = Model();
        Refused("PerplexityOptions.WindowLength = 0 stands for the longest text that the model reads, and nothing bounds it", new());
        Refused("PerplexityOptions.WindowLength = 1", new() { WindowLength = 1 });
        Refused("PerplexityOptions.Stride = 8 is not below WindowLength = 8", new() { WindowLength = 8, Stride = 8 });
        Refused("PerplexityOptions.Stride = 2 has no meaning where IsStreamed = true", new() { IsStreamed = true, Stride = 2 });
        Refused("PerplexityOptions.BatchSize = 2 has no meaning where IsStreamed = true", new() { IsStreamed = true, BatchSize = 2 });
        Refused("PerplexityOptions.PrefixToken = 11 is outside the vocabulary of 11", new() { WindowLength = 8, PrefixToken = 11 });
        Refused("BatchSize", new() { WindowLength = 8, BatchSize = 0 });
        Refused("Token 1 of text 0 is 11, outside the vocabulary of 11", new() { WindowLength = 8 }, [1, 11]);
        Refused("There is no token to score", new() { WindowLength = 8 }, [1]);
        model.train();
        Refused("call eval() first", new() { WindowLength = 8 });
        var seeing = ToyModel.Builder();
        seeing.Options.IsBidirectional = true;
        using var denoiser = seeing.AddAttention().Build();
        Assert.Contains("The model is not causal", Assert.Throws<ArgumentException>(() => Perplexity.Compute(denoiser, [text], new PerplexityOptions { WindowLength = 8 })).Message, StringComparison.Ordinal);
        using var learned = ToyModel.Builder().AddAttention().AddLearnedPositions(16).Build();
        Assert.Equal("windows of 16 tokens at a stride of 15", Perplexity.Compute(learned, [text]).Loss.Method);
        var error = Assert.Throws<ArgumentException>(() => Perplexity.Compute(learned, [text], new PerplexityOptions { WindowLength = 17 }));
        Assert.Contains("= 17 is longer than the 16 tokens that the model reads", error.Message, StringComparison.Ordinal);
        _ = Assert.Throws<OperationCanceledException>(() => Perplexity.Compute(learned, [text], cancellation: new CancellationToken(true)));

        void Refused(string words, PerplexityOptions options, int[]? tokens = null)
        {
            var refusal = Assert.ThrowsAny<ArgumentException>(() => Perplexity.Compute(model, [tokens ?? text], options));
            Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Logits_that_are_not_numbers_are_told_by_text_and_token()
    {
        using var model = Model();
        using (no_grad())
            model.parameters().First().fill_(double.NaN);
        var error = Assert.Throws<InvalidOperationException>(() => Perplexity.Compute(model, [text], new PerplexityOptions { WindowLength = 8 }));
        Assert.Contains("The loss of token 1 of text 0 is not a number", error.Message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(ScalarType dtype = ScalarType.Float64) => ToyModel.Builder(dtype: dtype).AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();

    // Each token's loss from a call of its own on the tokens before it in its window.
    private static List<(long Position, double Loss)> ByHand(LanguageModel model, int[] tokens, long length, long stride)
    {
        var losses = new List<(long, double)>();
        using var frozen = no_grad();
        for (var place = 1; place < tokens.Length; place++)
        {
            // The first window that reaches the token.
            long start = 0;
            while (place >= start + length)
                start += stride;
            using var scope = NewDisposeScope();
            var seen = tensor(tokens[(int)start..place].Select(token => (long)token).ToArray(), [1, place - start]);
            losses.Add((place - start, Loss(model.call(seen, null)[0, -1].data<double>().ToArray(), tokens[place])));
        }
        return losses;
    }

    private static double Loss(double[] logits, int token)
    {
        var largest = logits.Max();
        return Math.Log(logits.Sum(logit => Math.Exp(logit - largest))) + largest - logits[token];
    }
}
