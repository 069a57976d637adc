using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class TextGeneratorTests
{
    [Fact]
    public void A_batch_of_prompts_of_different_lengths_gives_what_each_gives_alone()
    {
        using var model = Model();
        var generator = Greedy(model);
        var options = new GenerationOptions { MaxOutputTokens = 12 };
        string[] prompts = ["a", "a longer prompt", "medium"];
        var together = generator.Generate(prompts, options);
        Assert.Equal(prompts.Select(prompt => string.Concat(generator.Stream(prompt, options))), together);
    }

    [Fact]
    public void Streamed_pieces_never_split_a_character_and_join_to_the_whole()
    {
        var generator = Scripted("caf\u00e9 \ud83d\ude80 done");
        var pieces = generator.Stream("x", new GenerationOptions { MaxOutputTokens = 100 }).ToArray();
        Assert.Equal("caf\u00e9 \ud83d\ude80 done", string.Concat(pieces));
        Assert.All(pieces, piece => Assert.DoesNotContain('\ufffd', piece));
        Assert.DoesNotContain(pieces, piece => char.IsHighSurrogate(piece[^1]) || char.IsLowSurrogate(piece[0]));
    }

    [Theory]
    [InlineData("one STOP two", "STOP", "one ")]
    [InlineData("one STO two", "STOP", "one STO two")]
    [InlineData("ends with ST", "STOP", "ends with ST")]
    [InlineData("ababac", "abac", "ab")]
    public void A_stop_string_ends_the_text_wherever_token_borders_fall(string script, string stop, string expected)
    {
        var text = string.Concat(Scripted(script).Stream("x", new GenerationOptions { MaxOutputTokens = 100, StopSequences = [stop, "never"] }));
        Assert.Equal(expected, text);
    }

    [Fact]
    public void Cancellation_is_observed_between_tokens_and_leaves_no_tensor()
    {
        using var model = Model();
        var generator = Greedy(model);
        using var stop = new CancellationTokenSource();
        var before = Tensor.TotalCount;
        Assert.Throws<OperationCanceledException>(() =>
        {
            foreach (var _ in generator.Stream("abc", new GenerationOptions { MaxOutputTokens = 50 }, stop.Token))
                stop.Cancel();
        });
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void The_same_seed_gives_the_same_text_and_another_seed_another()
    {
        using var model = Model();
        var generator = new TextGenerator(new AutoregressiveSampler(model), ModelTokenizer.Bytes);
        string Text(long seed) => string.Concat(generator.Stream("abc", new GenerationOptions { MaxOutputTokens = 40, Seed = seed }));
        Assert.Equal(Text(1), Text(1));
        Assert.NotEqual(Text(1), Text(2));
    }

    [Fact]
    public void An_empty_prompt_is_refused() =>
        Assert.Throws<ArgumentException>(() => Scripted("x").Stream("").ToArray());

    [Fact]
    public void Rows_end_on_their_own_stop_token_and_leave_the_others_alone()
    {
        using var model = Model();
        using var scope = NewDisposeScope();
        var prompt = tensor(new long[] { 1, 2, 3, 4, 5, 6 }, [2, 3]);
        using var free = Last(new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }), prompt, 8);
        var stop = free[0, 4].item<long>();
        using var stopped = Last(new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0, StopTokens = [stop] }), prompt, 8);
        Assert.Equal(stop, stopped[0, 4].item<long>());
        for (var column = 5; column < stopped.size(1); column++)
            Assert.Equal(-1, stopped[0, column].item<long>());
        var second = Enumerable.Range(0, (int)stopped.size(1)).Select(column => stopped[1, column].item<long>()).TakeWhile(token => token >= 0).ToArray();
        Assert.Equal(Enumerable.Range(0, second.Length).Select(column => free[1, column].item<long>()), second);
    }

    private static Tensor Last(AutoregressiveSampler sampler, Tensor prompt, long length)
    {
        Tensor? last = null;
        foreach (var grid in sampler.Sample(prompt, length))
        {
            last?.Dispose();
            last = grid;
        }
        return last!;
    }

    private static TextGenerator Greedy(LanguageModel model) =>
        new(new AutoregressiveSampler(model, new AutoregressiveSamplerOptions { Temperature = 0 }), ModelTokenizer.Bytes);

    private static TextGenerator Scripted(string script) => new(new ScriptedSampler(script), ModelTokenizer.Bytes);

    private static LanguageModel Model()
    {
        var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 2, Dtype = ScalarType.Float64 }
            .AddAttention(attention => attention.HeadCount = 2).AddRotary()
            .Build();
        model.eval();
        // Larger weights than the start's, so that the text depends on the prompt.
        using var frozen = no_grad();
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() == 2))
            parameter.mul_(20);
        return model;
    }

    private sealed class ScriptedSampler(string script) : ISampler
    {
        public bool IsAppendOnly => true;

        public IEnumerable<Tensor> Sample(SampleRequest request)
        {
            var ids = request.Prompt.data<long>().ToArray().ToList();
            foreach (var value in System.Text.Encoding.UTF8.GetBytes(script))
            {
                ids.Add(value);
                yield return tensor(ids.ToArray(), [1, ids.Count]).DetachFromDisposeScope();
            }
        }
    }
}
