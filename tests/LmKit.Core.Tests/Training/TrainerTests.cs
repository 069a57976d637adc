using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class TrainerTests : TrainingScene
{
    [Fact]
    public void Training_lowers_the_loss_and_reports_every_step()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 32, 8, 1), Options(40));
        var steps = Run(trainer);
        Assert.Equal(40, steps.Count);
        Assert.All(steps, step => Assert.Equal(8 * 31, step.TokenCount));
        Assert.True(steps[^1].Loss < 0.6 * steps[0].Loss, $"{steps[0].Loss} -> {steps[^1].Loss}");
    }

    [Fact]
    public void Accumulated_micro_batches_equal_one_large_batch()
    {
        using var large = Model(ScalarType.Float64);
        using var small = Model(ScalarType.Float64);
        var options = Options(3);
        using var largeTrainer = new Trainer(new LanguageModelTask(large, Data, 32, 8, 1), options);
        Run(largeTrainer);
        options.AccumulationCount = 4;
        using var smallTrainer = new Trainer(new LanguageModelTask(small, Data, 32, 2, 1), options);
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
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 16, 1, Data), Options(210, evaluationInterval: 105));
        var counts = new List<long>();
        trainer.Run(new Synchronous(step =>
        {
            if (step.Step is 10 or 210)
                counts.Add(LiveTensors.Count);
        }));
        Assert.Equal(counts[0], counts[1]);
    }

    [Fact]
    public void Accumulation_averages_over_all_tokens_and_not_over_micro_batches()
    {
        using var task = new PullTask((Pull: 3, Count: 1), (Pull: -1, Count: 9));
        var options = Options(1);
        (options.AccumulationCount, options.MaxGradientNorm, options.WarmupSteps) = (2, 0, 0);
        using var trainer = new Trainer(task, options);
        var step = Assert.Single(Run(trainer));
        // The sums are 3 w and -9 w at w = 1: the mean over tokens is -6 / 10, the mean of the means (3 - 1) / 2.
        Assert.Equal(10, step.TokenCount);
        Assert.Equal(-0.6, step.Loss, 12);
        Assert.Equal(0.6, step.GradientNorm, 12);
        Assert.True(task.Weight > 1, "The mean over tokens pulls the weight up; the mean of the means would push it down.");
    }

    [Fact]
    public void An_infinite_gradient_under_a_finite_loss_stops_before_the_weights_change()
    {
        using var task = new PullTask((Pull: double.PositiveInfinity, Count: 1));
        using var trainer = new Trainer(task, Options(3));
        var error = Assert.Throws<TrainingDivergedException>(() => trainer.Run());
        Assert.Equal(1, error.Step);
        Assert.Contains("gradient of step 1", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, task.Weight);
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void An_option_out_of_range_is_named_with_its_value()
    {
        using var model = Model();
        var options = Options(5);
        options.Beta2 = 1.5;
        var error = Assert.Throws<ConfigurationException>(() => new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), options));
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

    [Fact]
    public void With_the_scope_of_all_every_parameter_decays()
    {
        using var model = Model();
        Assert.All(DecayGroups.Of(model, DecayScope.All), group => Assert.True(group.Hint.Decays));
    }
}
