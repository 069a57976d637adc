using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class DenoisingTests
{
    private static DiffusionTransformerOptions Sizes => new() { VocabSize = 5, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0, Seed = 3 };

    [Fact]
    public void A_new_transformer_knows_nothing_and_its_blocks_do_nothing()
    {
        using var scope = NewDisposeScope();
        using var transformer = DiffusionTransformer.Build(Sizes);
        var tokens = tensor(new long[] { 4, 4, 1 }, [1, 3]);

        Close.Check("logits", zeros(1, 3, 5), TransformerGolden.Call(transformer, tokens, zeros(1)));
        var lp = new LanguageModelDenoiser(transformer, 4).call(tokens, zeros(1));
        Assert.Equal(-Math.Log(4), lp[0, 0, 2].item<float>(), 1e-6);
        Assert.Equal(0, lp[0, 2, 1].item<float>());
    }

    [Fact]
    public void The_two_halves_of_a_denoiser_equal_the_whole_at_masked_positions()
    {
        using var scope = NewDisposeScope();
        using var model = Bidirectional();
        var denoiser = new LanguageModelDenoiser(model, 10);
        var tokens = full(2, 5, 10, ScalarType.Int64);

        var rows = denoiser.LogProbabilities(denoiser.Hidden(tokens, zeros(2)).flatten(0, 1));

        Close.Check("log-probabilities", denoiser.call(tokens, zeros(2)).flatten(0, 1), rows, absolute: 1e-12);
    }

    [Fact]
    public void A_causal_model_is_no_denoiser()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).Build();
        Assert.Contains("causal", Assert.Throws<ArgumentException>(() => new LanguageModelDenoiser(model, 10)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(11)]
    public void A_mask_outside_the_vocabulary_is_refused(long maskId)
    {
        using var scope = NewDisposeScope();
        using var model = Bidirectional();
        Assert.Contains($"mask_id = {maskId}", Assert.Throws<ArgumentException>(() => new LanguageModelDenoiser(model, maskId)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Clean_tokens_hold_no_mask_and_no_unknown_id()
    {
        using var scope = NewDisposeScope();
        var denoiser = new TableDenoiser(zeros(3, 5), 4);
        using var levels = new TimeSampling(new LogLinearSchedule()).Levels(full(1, 0.5, ScalarType.Float64));
        TrainingLoss Loss(params long[] tokens) => NegativeElbo.Of(denoiser, tensor(tokens, [1, 3]), levels, zeros(1, 3));

        Assert.Contains("Row 0, column 1 holds the mask id 4", Assert.Throws<ArgumentException>(() => Loss(0, 4, 1)).Message, StringComparison.Ordinal);
        Assert.Contains("Token id 7", Assert.Throws<ArgumentException>(() => Loss(0, 7, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_batch_with_nothing_masked_has_loss_zero_and_gradient_zero()
    {
        using var scope = NewDisposeScope();
        foreach (var isSplit in new[] { false, true })
        {
            var logits = ones([3, 5], ScalarType.Float64).requires_grad_();
            TableDenoiser denoiser = isSplit ? new SplitTableDenoiser(logits, 4) : new TableDenoiser(logits, 4);
            using var levels = new TimeSampling(new LogLinearSchedule()).Levels(full(1, 0.5, ScalarType.Float64));
            var loss = NegativeElbo.Of(denoiser, tensor(new long[] { 0, 1, 2 }, [1, 3]), levels, full(1, 3, 0.999999));
            loss.Sum.backward();
            Assert.Equal(0, loss.Sum.item<double>());
            Close.Check("gradient", zeros([3, 5], ScalarType.Float64), logits.grad!);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(16)]
    public void Discrete_time_is_finite_at_its_first_step(int steps)
    {
        using var scope = NewDisposeScope();
        using var levels = new TimeSampling(new LogLinearSchedule(), new TimeSamplingOptions { DiscreteSteps = steps }).Levels(zeros(4, ScalarType.Float64));
        Assert.True(levels.Weight.isfinite().all().ToBoolean());
        Assert.Equal(1.0 / steps, levels.Time[0].item<double>(), 1e-12);
    }

    [Fact]
    public void Stratified_times_lie_one_in_each_stratum()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        using var levels = new TimeSampling(new LogLinearSchedule()).Draw(16, random);
        var strata = levels.Time.data<double>().ToArray().Select(t => (int)((t - 1e-3) / (1 - 1e-3) * 16)).Order();
        Assert.Equal(Enumerable.Range(0, 16), strata);
    }

    [Fact]
    public void Every_schedule_has_the_rate_of_its_noise()
    {
        foreach (var schedule in new NoiseSchedule[] { new LogLinearSchedule(), new CosineNoiseSchedule(), new CosineSquaredSchedule(), new LinearNoiseSchedule(), new GeometricSchedule() })
            Assert.InRange(schedule.CheckRate(), 0, 1e-6);
        Assert.Throws<NotSupportedException>(() => new CosineNoiseSchedule().ImportanceTime(0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LogLinearSchedule(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new LinearNoiseSchedule(2, 1));
    }

    [Fact]
    public void A_transformer_learns_a_pattern_and_a_restored_task_goes_on_identically()
    {
        using var scope = NewDisposeScope();
        double[] Train(long restoreAt)
        {
            using var transformer = DiffusionTransformer.Build(Sizes);
            using var task = Task(transformer);
            using var optimizer = optim.Adam(transformer.parameters(), 1e-2);
            var losses = new List<double>();
            for (var step = 0; step < 60; step++)
            {
                using var inner = NewDisposeScope();
                if (step == restoreAt)
                {
                    var progress = task.Progress();
                    _ = task.NextLoss();
                    task.Restore(progress);
                }
                optimizer.zero_grad();
                var loss = task.NextLoss();
                (loss.Sum / loss.Count).backward();
                optimizer.step();
                losses.Add(loss.Sum.item<float>() / loss.Count);
            }
            Assert.Equal(task.Evaluate(), task.Evaluate());
            losses.Add(task.Evaluate()!.Value);
            return [.. losses];
        }

        var losses = Train(restoreAt: -1);
        Assert.Equal(losses, Train(restoreAt: 30));
        Assert.InRange(losses[^1], 0, 0.8); // ln 4 = 1.39 at the start; the truth is ln 2 / 6 a token

        static DenoisingTask Task(LanguageModel transformer) => DenoisingTask.OnBatches(transformer, new LanguageModelDenoiser(transformer, 4), Batch, 5, heldOut: () => [Pattern(0, 16)]);
        static Tensor Batch(Generator random)
        {
            using var first = randint(0, 2, [32, 1], dtype: ScalarType.Int64, generator: random);
            using var one = first.expand(32, 6);
            return one.contiguous();
        }
        static Tensor Pattern(long token, long count) => full(count, 6, token, ScalarType.Int64);
    }

    [Fact]
    public void Published_prefixes_and_the_rotary_table_load_and_what_is_missing_is_listed()
    {
        using var scope = NewDisposeScope();
        using var transformer = DiffusionTransformer.Build(Sizes);
        var own = MdlmKeyMap.Map.ToPublished(transformer.state_dict());
        foreach (var prefix in new[] { string.Empty, "backbone.", "backbone.backbone.", "student_ema.", "_orig_mod." })
        {
            var published = own.ToDictionary(pair => prefix + pair.Key, pair => pair.Value);
            published[$"{prefix}rotary_emb.inv_freq"] = zeros(4);
            CheckpointLoader.Load(transformer, MdlmKeyMap.Map.ToOurs(published));
        }
        var lacking = own.Where(pair => pair.Key != "output_layer.linear.bias").ToDictionary(pair => pair.Key, pair => pair.Value);
        Assert.Contains("lm_head.bias", Assert.Throws<CheckpointMismatchException>(() => CheckpointLoader.Load(transformer, MdlmKeyMap.Map.ToOurs(lacking))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_odd_head_width_is_refused_by_name()
    {
        var sizes = Sizes;
        sizes.HeadCount = 16;
        Assert.Contains("DiffusionTransformerOptions.HeadCount = 16", Assert.Throws<ArgumentException>(() => DiffusionTransformer.Build(sizes)).Message, StringComparison.Ordinal);
    }

    private static LanguageModel Bidirectional()
    {
        var builder = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2);
        builder.Options.IsBidirectional = true;
        var model = builder.Build();
        model.eval();
        return model;
    }
}
