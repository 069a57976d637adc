using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace LmKit.Core.Tests;

/// <summary>Loggers and meters that are given, and learners that bring a recipe of their own.</summary>
public sealed class TrainerInjectionTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Beginning_end_evaluations_and_checkpoints_are_logged()
    {
        var log = new Lines();
        using var task = new ScriptedTask([4, 3]);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2, EvaluationInterval = 2, CheckpointFolder = folder.Path, CheckpointInterval = 2 }, log);
        trainer.Run();
        Assert.True(trainer.Resume());
        Assert.Collection(
            log.Entries,
            line => Assert.Equal("Information ScriptedTask trains model: step 0 of 2 is done", line),
            line => Assert.StartsWith("Information Step 2: loss ", line, StringComparison.Ordinal),
            line => Assert.StartsWith("Information The checkpoint of step 2 is ", line, StringComparison.Ordinal),
            line => Assert.Equal("Information The run ended after step 2: All 2 steps are done.", line),
            line => Assert.Equal("Warning ScriptedTask does not say in its Identity what data it trains on; other data than the run began with is not noticed", line),
            line => Assert.StartsWith("Information The run continues from step 2", line, StringComparison.Ordinal));
    }

    [Fact]
    public void Divergence_is_logged_as_an_error()
    {
        var log = new Lines();
        using var task = new PullTask((Pull: double.NaN, Count: 1));
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2 }, log);
        Assert.Throws<TrainingDivergedException>(() => trainer.Run());
        Assert.Contains(log.Entries, line => line.StartsWith("Error Training diverged: The loss of step 1 is not finite", StringComparison.Ordinal));
    }

    [Fact]
    public void A_given_factory_makes_the_meter_and_learners_are_told_apart_by_a_tag()
    {
        using var factory = new Factory();
        var seen = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listening) =>
            {
                if (factory.Meters.Contains(instrument.Meter) && instrument.Name == "lmkit.core.training.loss")
                    listening.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) => seen.Add(tags.Length == 0 ? "" : $"{tags[0].Key}={tags[0].Value}"));
        listener.Start();
        using (var task = new BrokenTask(BrokenTaskLaw.None, 1, 2))
        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 2 }, meters: factory))
            trainer.Run();
        Assert.Equal(["learner=first", "learner=second", "learner=first", "learner=second"], seen);
        using (var task = new ScriptedTask([]))
        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 1 }, meters: factory))
            trainer.Run();
        Assert.Equal("", seen[^1]);
    }

    [Fact]
    public void A_loss_that_is_not_finite_names_its_learner()
    {
        using var task = new BrokenTask(BrokenTaskLaw.None, 1, double.NaN);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 2 });
        Assert.Contains("loss of the first of step 1", Assert.Throws<TrainingDivergedException>(() => trainer.Run()).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, Action<TrainingOptions>> NotRead => new()
    {
        { "Steps = 5", options => options.Steps = 5 },
        { "AccumulationCount = 2", options => options.AccumulationCount = 2 },
        { "LearningRate = 0.5", options => options.LearningRate = 0.5 },
        { "WeightDecay = 0.5", options => options.WeightDecay = 0.5 },
        { "MaxGradientNorm = 3", options => options.MaxGradientNorm = 3 },
        { "AverageDecay = 0.5", options => options.AverageDecay = 0.5 },
        { "Shape = Linear", options => options.Shape = LearningRateShape.Linear },
        { "WarmupSteps = 1", options => options.WarmupSteps = 1 },
        { "FinalShare = 0.5", options => options.FinalShare = 0.5 },
        { "DecayScope = All", options => options.DecayScope = DecayScope.All },
    };

    [Theory]
    [MemberData(nameof(NotRead))]
    public void An_option_that_no_learner_reads_is_refused_by_name(string named, Action<TrainingOptions> change)
    {
        using var task = new OwnRecipe();
        var options = new TrainingOptions();
        new Trainer(task, options).Dispose();
        change(options);
        var error = Assert.Throws<ConfigurationException>(() => new Trainer(task, options));
        Assert.Contains($"TrainingOptions.{named}: OwnRecipe does not read it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_of_its_own_is_what_steps_a_learner_and_what_a_checkpoint_is_compared_by()
    {
        using var task = new OwnRecipe();
        using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = folder.Path });
        Assert.Equal(2, trainer.TotalSteps);
        Assert.Equal([0.25 * 0.5, 0.25 * 0.25], new[] { trainer.Advance()!, trainer.Advance()! }.Select(step => step.LearningRate));
        Assert.NotNull(trainer.Average);
        trainer.Save();
        using var other = new OwnRecipe(0.3);
        using var second = new Trainer(other, new TrainingOptions { CheckpointFolder = folder.Path });
        Assert.Equal("model.learning_rate", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => second.Resume()).WrongValue).Name);
    }

    [Fact]
    public void Learners_of_one_name_and_names_that_are_not_file_names_are_refused()
    {
        using var task = new OwnRecipe();
        Assert.Contains("'a/b'", Assert.Throws<ArgumentException>(() => new Learner("a/b", task.Module)).Message, StringComparison.Ordinal);
        Assert.Contains("model, model", Assert.Throws<ArgumentException>(() => new Trainer(new OwnRecipe(isTwice: true), new TrainingOptions())).Message, StringComparison.Ordinal);
    }

    private sealed class OwnRecipe(double rate = 0.25, bool isTwice = false) : ITrainingTask, IDisposable
    {
        internal TorchSharp.Modules.Linear Module { get; } = TorchSharp.torch.nn.Linear(1, 1);

        public long? Steps => 2;

        public IReadOnlyList<Learner> Learners => isTwice ? [Own, Own] : [Own];

        private Learner Own => new("model", Module) { LearningRate = rate, WeightDecay = 0, MaxGradientNorm = 1, AverageDecay = 0.5, Schedule = step => Math.Pow(0.5, step + 1) };

        public void Learn(TrainingTurn turn) => turn.Descend(Own, Module.weight!.sum());

        public IReadOnlyDictionary<string, TorchSharp.torch.Tensor> Progress() => new Dictionary<string, TorchSharp.torch.Tensor>();

        public void Restore(IReadOnlyDictionary<string, TorchSharp.torch.Tensor> progress)
        {
        }

        public void Dispose() => Module.Dispose();
    }

    private sealed class Factory : IMeterFactory
    {
        internal List<Meter> Meters { get; } = [];

        public Meter Create(MeterOptions options)
        {
            Meters.Add(new Meter(options));
            return Meters[^1];
        }

        public void Dispose()
        {
            foreach (var meter in Meters)
                meter.Dispose();
        }
    }

    private sealed class Lines : ILogger<Trainer>
    {
        internal List<string> Entries { get; } = [];

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Entries.Add($"{logLevel} {formatter(state, exception)}");
    }
}
