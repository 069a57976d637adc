using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class TrainerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-trainer-").FullName;
    private readonly TokenDataset data;

    public TrainerTests()
    {
        var text = string.Concat(Enumerable.Range(0, 400).Select(index => $"the {index % 7} cats and {index % 5} dogs. "));
        data = TokenDataset.Create([new TextDocument("animals", text)], ModelTokenizer.Bytes, Path.Combine(folder, "data.tokens"));
    }

    [Fact]
    public void Training_lowers_the_loss_and_reports_every_step()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, data, 32, 8, 1), Options(40));
        var steps = Run(trainer);
        Assert.Equal(40, steps.Count);
        Assert.All(steps, step => Assert.Equal(8 * 31, step.TokenCount));
        Assert.True(steps[^1].Loss < 0.6 * steps[0].Loss, $"{steps[0].Loss} -> {steps[^1].Loss}");
    }

    [Fact]
    public void A_resumed_run_equals_the_uninterrupted_run_bit_for_bit()
    {
        using var whole = Model(dropout: 0.1);
        using var wholeTrainer = new Trainer(new LanguageModelTask(whole, data, 32, 4, 1), Options(12));
        var expected = Run(wholeTrainer);

        using var first = Model(dropout: 0.1);
        using var firstTrainer = new Trainer(new LanguageModelTask(first, data, 32, 4, 1), Options(12, checkpointInterval: 5));
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => firstTrainer.Run(new Synchronous(step => { if (step.Step == 7) stop.Cancel(); }), stop.Token));

        using var second = Model(dropout: 0.1);
        using var secondTrainer = new Trainer(new LanguageModelTask(second, data, 32, 4, 1), Options(12, checkpointInterval: 5));
        Assert.True(secondTrainer.Resume());
        Assert.Equal(7, secondTrainer.Step);
        var continued = Run(secondTrainer);
        Assert.Equal(expected.Skip(7).Select(step => step.Loss), continued.Select(step => step.Loss));
        foreach (var (name, parameter) in whole.named_parameters())
            Assert.True(parameter.Equals(second.get_parameter(name)!), name);
        Assert.NotNull(secondTrainer.Average);
    }

    [Fact]
    public void Accumulated_micro_batches_equal_one_large_batch()
    {
        using var large = Model(ScalarType.Float64);
        using var small = Model(ScalarType.Float64);
        var options = Options(3);
        using var largeTrainer = new Trainer(new LanguageModelTask(large, data, 32, 8, 1), options);
        Run(largeTrainer);
        options.AccumulationCount = 4;
        using var smallTrainer = new Trainer(new LanguageModelTask(small, data, 32, 2, 1), options);
        Run(smallTrainer);
        foreach (var (name, parameter) in large.named_parameters())
        {
            using var difference = (parameter - small.get_parameter(name)!).abs().max();
            Assert.True(difference.item<double>() < 1e-10, name);
        }
    }

    [Fact]
    public void Two_hundred_steps_leave_no_live_tensor_behind()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, data, 16, 16, 1, data), Options(210, evaluationInterval: 105));
        var counts = new List<long>();
        trainer.Run(new Synchronous(step =>
        {
            // What earlier tests left to the collector must not be mistaken for this run's.
            if (step.Step is 10 or 210)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                counts.Add(Tensor.TotalCount);
            }
        }));
        Assert.Equal(counts[0], counts[1]);
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_with_the_step_and_keeps_the_last_checkpoint()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, data, 32, 4, 1), Options(10, checkpointInterval: 2));
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Run(new Synchronous(step =>
        {
            if (step.Step == 5)
            {
                using var frozen = no_grad();
                model.parameters().First().fill_(double.NaN);
            }
        })));
        Assert.Equal(6, error.Step);
        Assert.EndsWith("step-00000004", error.Checkpoint, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(error.Checkpoint!, "model.safetensors")));
    }

    [Fact]
    public void Old_checkpoints_go_and_the_last_two_stay()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, data, 16, 2, 1), Options(8, checkpointInterval: 2));
        Run(trainer);
        Assert.Equal(
            ["step-00000006", "step-00000008"],
            Directory.EnumerateDirectories(Path.Combine(folder, "checkpoints")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void An_option_out_of_range_is_named_with_its_value()
    {
        using var model = Model();
        var options = Options(5);
        options.Beta2 = 1.5;
        var error = Assert.Throws<ConfigurationException>(() => new Trainer(new LanguageModelTask(model, data, 16, 2, 1), options));
        Assert.Contains("Beta2 = 1.5", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_weight_average_follows_the_parameters_and_swaps_back()
    {
        using var model = Model();
        using var average = new WeightAverage(model, 0.9);
        var parameter = model.parameters().First();
        using var start = parameter.detach().clone();
        using (no_grad())
            parameter.add_(1);
        average.Update();
        using var original = parameter.detach().clone();
        using (average.Swap())
        {
            // The first update keeps min(0.9, 2 / 11) of the old average.
            using var expected = start + (1 - 2.0 / 11);
            Assert.True(expected.allclose(parameter, atol: 1e-6));
        }
        Assert.True(parameter.Equals(original));
    }

    [Theory]
    [InlineData(LearningRateShape.Cosine, 0, 0.0)]
    [InlineData(LearningRateShape.Cosine, 5, 0.5)]
    [InlineData(LearningRateShape.Cosine, 10, 1.0)]
    [InlineData(LearningRateShape.Cosine, 60, 0.55)]
    [InlineData(LearningRateShape.Cosine, 110, 0.1)]
    [InlineData(LearningRateShape.Linear, 60, 0.55)]
    [InlineData(LearningRateShape.Constant, 60, 1.0)]
    public void The_learning_rate_follows_its_shape(LearningRateShape shape, long step, double share) =>
        Assert.Equal(share, new LearningRateSchedule(shape, 10, 110, 0.1).At(step), 12);

    [Fact]
    public void Matrices_decay_and_vectors_norms_and_embeddings_do_not()
    {
        using var model = Model();
        var groups = DecayGroups.Of(model);
        var decaying = groups.Single(group => group.Hint.Decays == true).Parameters.Select(entry => entry.Name).ToArray();
        Assert.Contains("layers.0.mlp.fc1.weight", decaying);
        Assert.DoesNotContain(decaying, name => name.Contains("norm", StringComparison.Ordinal) || name.EndsWith("bias", StringComparison.Ordinal) || name.StartsWith("embeddings", StringComparison.Ordinal));
        Assert.Equal(model.parameters().Count(), groups.Sum(group => group.Parameters.Count));
    }

    public void Dispose()
    {
        data.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    private static LanguageModel Model(ScalarType dtype = ScalarType.Float32, double dropout = 0)
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 24, LayerCount = 2, Dtype = dtype };
        builder.Options.ResidualDropoutRate = dropout;
        return builder.AddAttention(attention => { attention.HeadCount = 2; attention.Positions = PositionKind.Rotary; }).Build();
    }

    private TrainingOptions Options(long steps, long checkpointInterval = 0, long evaluationInterval = 0) => new()
    {
        Steps = steps,
        LearningRate = 1e-2,
        WarmupSteps = 2,
        AverageDecay = 0.99,
        EvaluationInterval = evaluationInterval,
        CheckpointFolder = Path.Combine(folder, "checkpoints"),
        CheckpointInterval = checkpointInterval,
    };

    private static List<TrainingStep> Run(Trainer trainer)
    {
        var steps = new List<TrainingStep>();
        trainer.Run(new Synchronous(steps.Add));
        return steps;
    }

    private sealed class Synchronous(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
