using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>What a request or an option asks is obeyed or refused by name, and a row is nobody's but its own.</summary>
[NoTensorLeak]
public sealed class RequestFaultTests
{
    private const long Mask = 4;

    [Theory]
    [InlineData(0.5, 1)]
    [InlineData(1, 0.5)]
    public void Raw_outputs_take_no_temperature_and_no_top_p(double temperature, double topP)
    {
        using var model = DiffusionTransformer.Build(DistillerRun.Sizes);
        var options = new RewardGuidedSamplerOptions { UsesRawOutputs = true, Temperature = temperature, TopP = topP };

        var error = Assert.Throws<ArgumentException>(() => new RewardGuidedSampler(new LanguageModelDenoiser(model, Mask), new Sums(1), options));

        Assert.Contains(FormattableString.Invariant($"Temperature = {temperature} and TopP = {topP} do not act on raw outputs (UsesRawOutputs = true)"), error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Edits_act_on_raw_outputs_in_their_row_alone()
    {
        using var scope = NewDisposeScope();
        using var model = DiffusionTransformer.Build(DistillerRun.Sizes);
        ConditioningTests.Stir(model);
        var sampler = new RewardGuidedSampler(new LanguageModelDenoiser(model, Mask), new Sums(0), new RewardGuidedSamplerOptions { StepCount = 4, UsesRawOutputs = true });

        Tensor Sample(HookEdits? edits)
        {
            using var generators = new RowGenerators(2, 7);
            var last = zeros(0);
            foreach (var grid in sampler.Sample(new SampleRequest(zeros(2, 0, ScalarType.Int64), 24) { Generators = generators, Edits = edits }))
            {
                last.Dispose();
                last = grid;
            }
            return last;
        }
        using var plain = Sample(null);
        using var edited = Sample(HookEdits.None.Add("layers.0.resid_post", 1, x => x * -3));

        Assert.Equal(plain[0], edited[0]);
        Assert.NotEqual(plain[1], edited[1]);
    }

    [Fact]
    public void A_reward_whose_gradient_is_not_a_number_is_no_draw()
    {
        using var scope = NewDisposeScope();
        var sampler = new RewardGuidedSampler(new TableDenoiser(zeros(1, 8, 5), Mask), new Sums(double.NaN), new RewardGuidedSamplerOptions { StepCount = 2, TiltStart = 1, TiltEnd = 1 });

        Assert.Equal(0, Assert.Throws<NotFiniteLogitsException>(() => sampler.Sample(full(1, 8, Mask, ScalarType.Int64), 0).Last()).Row);
    }

    [Fact]
    public void The_options_mask_is_the_denoisers()
    {
        using var scope = NewDisposeScope();
        var denoiser = new TableDenoiser(zeros(1, 8, 5), Mask);

        var error = Assert.Throws<ArgumentException>(() => new AncestralSampler(denoiser, new DiffusionSamplerOptions { MaskId = 3 }));

        Assert.Contains("DiffusionSamplerOptions.MaskId = 3 is not the mask of the TableDenoiser, 4", error.Message, StringComparison.Ordinal);
        _ = new AncestralSampler(denoiser, new DiffusionSamplerOptions { MaskId = Mask });
    }

    [Fact]
    public void A_sampler_keeps_the_options_it_was_made_with()
    {
        using var scope = NewDisposeScope();
        var options = new ConfidenceSamplerOptions { StepCount = 4, StopsWhenComplete = false, Threshold = 1 };
        var sampler = new ConfidenceSampler(new TableDenoiser(zeros(1, 8, 5), Mask), options);
        options.StepCount = 1;

        var versions = sampler.Sample(full(1, 8, Mask, ScalarType.Int64), 0).ToList();
        versions.ForEach(version => version.Dispose());
        Assert.Equal(5, versions.Count);
    }

    [Fact]
    public void Edits_of_a_denoiser_add_up_and_are_no_samplers()
    {
        using var scope = NewDisposeScope();
        using var model = DiffusionTransformer.Build(DistillerRun.Sizes);
        var (first, second) = (0, 0);
        var once = new LanguageModelDenoiser(model, Mask).Edited(HookEdits.None.Add("layers.0.resid_post", 0, x => Count(x, ref first)));
        var twice = once.Edited(HookEdits.None.Add("layers.0.resid_post", 0, x => Count(x, ref second)));

        _ = twice.call(full(1, 3, Mask, ScalarType.Int64), zeros(1));

        Assert.Equal((1, 1), (first, second));
        Assert.Contains("SampleRequest.Edits", Assert.Throws<ArgumentException>(() => new AncestralSampler(once)).Message, StringComparison.Ordinal);

        static Tensor Count(Tensor x, ref int calls)
        {
            calls++;
            return x;
        }
    }

    [Fact]
    public void No_edit_is_no_question_to_a_network_without_points()
    {
        using var scope = NewDisposeScope();
        var sampler = new AncestralSampler(new TableDenoiser(zeros(1, 8, 5), Mask));
        var request = new SampleRequest(zeros(1, 2, ScalarType.Int64), 2) { Edits = HookEdits.None };

        _ = sampler.Sample(request);
        Assert.Throws<NotSupportedException>(() => sampler.Sample(request with { Edits = HookEdits.None.Add("resid", 0, x => x) }));
    }

    [Fact]
    public void More_columns_than_the_model_reads_are_refused_at_the_call()
    {
        using var scope = NewDisposeScope();
        var builder = new LanguageModelBuilder { VocabSize = 5, ModelDim = 16, LayerCount = 1 }.AddAttention().AddLearnedPositions(8);
        builder.Options.IsBidirectional = true;
        using var model = builder.Build();
        var denoiser = new LanguageModelDenoiser(model, Mask);
        var prompt = tensor(new long[,] { { -1, -1, 1 }, { 1, 2, 3 } });

        _ = new AncestralSampler(denoiser).Sample(new SampleRequest(prompt, 5));
        Assert.StartsWith("Row 1 of the prompt has 3 tokens, and 6 are to be added; this model reads 8 at most.", Assert.Throws<ArgumentException>(() => new AncestralSampler(denoiser).Sample(new SampleRequest(prompt, 6))).Message, StringComparison.Ordinal);
        _ = new SemiAutoregressiveSampler(denoiser, new SemiAutoregressiveSamplerOptions { WindowLength = 8, StrideLength = 4 }).Sample(new SampleRequest(prompt, 20));
    }

    [Fact]
    public void What_only_a_text_generator_obeys_is_refused_as_a_rows_option()
    {
        using var scope = NewDisposeScope();
        using var causal = Bytes().Build();
        var prompt = zeros(1, 2, ScalarType.Int64);
        var options = new Dictionary<string, GenerationOptions>
        {
            ["Seed = 3"] = new() { Seed = 3 },
            ["MaxOutputTokens = 2"] = new() { MaxOutputTokens = 2 },
            ["StopSequences = ['a']"] = new() { StopSequences = ["a"] },
        };

        foreach (var sampler in new ISampler[] { new AutoregressiveSampler(causal), new AncestralSampler(new TableDenoiser(zeros(1, 8, 5), Mask)) })
        {
            foreach (var (name, row) in options)
                Assert.Contains($"{sampler.GetType().Name} cannot obey {name}", Assert.Throws<NotSupportedException>(() => sampler.Sample(new SampleRequest(prompt, 2) { Rows = [row] })).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_stream_keeps_the_options_it_was_asked_with()
    {
        using var model = Bytes().Build();
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        var options = new GenerationOptions { Seed = 1, MaxOutputTokens = 6 };
        var (pieces, updates) = (generator.Stream("ab", options), generator.StreamAsync("ab", options));
        options.MaxOutputTokens = 0;

        Assert.NotEmpty(string.Concat(pieces));
        var count = 0L;
        await foreach (var update in updates)
            count = update.Usage?.OutputTokenCount ?? count;
        Assert.Equal(6, count);
    }

    [Fact]
    public void A_row_that_is_over_fails_no_other_row()
    {
        using var model = Bytes().Build();
        var generator = new TextGenerator(model.CreateSampler(), ModelTokenizer.Bytes);
        GenerationOptions Once() => new() { Seed = 1, MaxOutputTokens = 5, StopTokens = [65], Filters = [OnlyOnce(65)] };
        GenerationOptions[] options = [Once(), new() { Seed = 2, MaxOutputTokens = 5 }];

        var both = generator.GenerateEach(["a", "bc"], options);

        Assert.Equal(generator.Generate(["a"], options[0]).Concat(generator.Generate(["bc"], options[1])), both);
        Assert.Equal("", both[0]);
    }

    [Fact]
    public void A_conditioned_model_is_not_sampled_token_by_token()
    {
        using var model = ToyModel.Builder().AddTimestepConditioning().AddDiffusionBlock().AddAttention().Build();

        Assert.Contains("conditioned by TimestepEmbedding", Assert.Throws<ArgumentException>(() => new AutoregressiveSampler(model)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_prompt_that_is_gone_leaves_nothing_behind()
    {
        using var model = Bytes().Build();
        var prompt = zeros(1, 2, ScalarType.Int64);
        var versions = new AutoregressiveSampler(model).Sample(new SampleRequest(prompt, 2));
        prompt.Dispose();

        Assert.Throws<ObjectDisposedException>(() => versions.First());
    }

    private static LanguageModelBuilder Bytes() => new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 1 }.AddAttention();

    // Allows one token, once; nothing may stand behind it.
    private static LogitFilter OnlyOnce(long id) => (logits, tokens, promptLength) =>
    {
        using var scope = NewDisposeScope();
        var allowed = full_like(logits, double.NegativeInfinity);
        if (tokens.size(1) == promptLength)
            allowed.select(1, id).zero_();
        return allowed.MoveToOuterDisposeScope();
    };

    /// <summary>Scores rows by the sum of their entries, times a factor.</summary>
    private sealed class Sums(double factor) : IReward
    {
        public bool TakesSoftRows => true;

        public Tensor Score(Tensor tokens, Tensor level)
        {
            using var scope = NewDisposeScope();
            return (tokens.flatten(1).to(ScalarType.Float32).sum(1) * factor).MoveToOuterDisposeScope();
        }
    }
}
