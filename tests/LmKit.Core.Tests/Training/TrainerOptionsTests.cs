using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class TrainerOptionsTests : TrainingScene
{
    [Fact]
    public void Options_without_effect_or_meaning_are_refused_by_name_and_value()
    {
        using var model = Model();
        string Refusal(Action<TrainingOptions> change, TokenDataset? heldOut = null)
        {
            var options = new TrainingOptions { Steps = 2 };
            change(options);
            return Assert.Throws<ConfigurationException>(() => new Trainer(new LanguageModelTask(model, Data, 16, 2, 1, heldOut), options)).Message;
        }
        Assert.Contains("CheckpointInterval = 5", Refusal(options => options.CheckpointInterval = 5), StringComparison.Ordinal);
        Assert.Contains("CheckpointFolder = ' '", Refusal(options => options.CheckpointFolder = " "), StringComparison.Ordinal);
        Assert.Contains("EvaluationInterval = 3", Refusal(options => options.EvaluationInterval = 3), StringComparison.Ordinal);
        Assert.Contains("CycleCount = 4", Refusal(options => options.CycleCount = 4), StringComparison.Ordinal);
        Assert.Contains("Shape = 99", Refusal(options => options.Shape = (LearningRateShape)99), StringComparison.Ordinal);
        Assert.Contains("DecayScope = -1", Refusal(options => options.DecayScope = (DecayScope)(-1)), StringComparison.Ordinal);
        Assert.Contains("Patience = 3", Refusal(options => options.Patience = 3), StringComparison.Ordinal);
        Assert.Contains("MinImprovement = 0.5", Refusal(options => options.MinImprovement = 0.5), StringComparison.Ordinal);
        Assert.Contains("KeepsBest = True: nothing is evaluated", Refusal(options => (options.KeepsBest, options.CheckpointFolder) = (true, Checkpoints)), StringComparison.Ordinal);
        Assert.Contains("KeepsBest = True: CheckpointFolder", Refusal(options => (options.KeepsBest, options.EvaluationInterval) = (true, 1), Data), StringComparison.Ordinal);
        Assert.Contains("MaxDuration = 00:00:00", Refusal(options => options.MaxDuration = TimeSpan.Zero), StringComparison.Ordinal);
        Assert.Contains("LossCurveFile = ' '", Refusal(options => options.LossCurveFile = " "), StringComparison.Ordinal);
        Assert.Contains("Epsilon = 0", Refusal(options => options.Epsilon = 0), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1_000_000_000)]
    [InlineData(long.MaxValue)]
    public void Batches_beyond_all_sense_are_refused_before_anything_is_made(long batchSize)
    {
        using var model = Model();
        var error = Assert.Throws<ArgumentException>(() => new LanguageModelTask(model, Data, 16, batchSize, 1));
        Assert.Contains($"{batchSize} windows of 16", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Training_records_gradients_whatever_mode_its_caller_is_in()
    {
        double[] Losses(bool isFrozen)
        {
            using var model = Model();
            using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1, Data), Options(3, evaluationInterval: 1));
            using var mode = isFrozen ? no_grad() : null;
            var losses = Run(trainer).Select(step => step.Loss).ToArray();
            Assert.Equal(!isFrozen, is_grad_enabled());
            return losses;
        }
        Assert.Equal(Losses(false), Losses(true));
    }

    [Fact]
    public void Inference_mode_is_refused_in_words()
    {
        using var model = Model();
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Options(3));
        using var mode = inference_mode();
        Assert.Contains("inference_mode", Assert.Throws<InvalidOperationException>(() => trainer.Run()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_average_is_kept_only_where_its_decay_is_set()
    {
        using var task = new PullTask((Pull: 1, Count: 1));
        using var without = new Trainer(task, new TrainingOptions { Steps = 1 });
        using var with = new Trainer(task, new TrainingOptions { Steps = 1, AverageDecay = 0.5 });
        Assert.Null(without.Average);
        Assert.NotNull(with.Average);
    }

    [Fact]
    public void What_is_left_open_is_as_documented()
    {
        var options = new TrainingOptions();
        Assert.Equal((1000L, 1, 1e-3, LearningRateShape.Cosine, 0L, 0.1, 1), (options.Steps, options.AccumulationCount, options.LearningRate, options.Shape, options.WarmupSteps, options.FinalShare, options.CycleCount));
        Assert.Equal((0.9, 0.999, 1e-8, 0.1, DecayScope.Matrices), (options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay, options.DecayScope));
        Assert.Equal((0, 0.0, false, null, null), (options.Patience, options.MinImprovement, options.KeepsBest, options.MaxDuration, options.LossCurveFile));
        Assert.Equal((1.0, 0.0, 0L, 0L, null), (options.MaxGradientNorm, options.AverageDecay, options.EvaluationInterval, options.CheckpointInterval, options.CheckpointFolder));
    }
}
