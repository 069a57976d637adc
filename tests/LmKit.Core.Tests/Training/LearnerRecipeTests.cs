using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Names and recipes that a learner cannot have.</summary>
[NoTensorLeak]
public sealed class LearnerRecipeTests
{
    [Theory]
    [InlineData("run")]
    [InlineData("Progress")]
    [InlineData("task")]
    public void A_name_that_a_checkpoint_needs_itself_names_no_learner(string name)
    {
        using var module = nn.Linear(1, 1);
        Assert.Contains($"'{name}'", Assert.Throws<ArgumentException>(() => new Learner(name, module)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_recipe_out_of_range_is_refused_by_learner_and_value()
    {
        using var module = nn.Linear(1, 1);
        Assert.Contains("LearningRate = -1", Assert.Throws<ConfigurationException>(() => new Learner("judge", module) { LearningRate = -1 }).Message, StringComparison.Ordinal);
        Assert.Contains("judge", Assert.Throws<ConfigurationException>(() => new Learner("judge", module) { WeightDecay = double.NaN }).Message, StringComparison.Ordinal);
        Assert.Contains("MaxGradientNorm = -0.5", Assert.Throws<ConfigurationException>(() => new Learner("judge", module) { MaxGradientNorm = -0.5 }).Message, StringComparison.Ordinal);
        Assert.Contains("AverageDecay = 1", Assert.Throws<ConfigurationException>(() => new Learner("judge", module) { AverageDecay = 1 }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_that_is_no_number_is_refused_before_it_reaches_the_weights()
    {
        using var task = new PairTask("second", step => step == 1 ? double.NaN : 1);
        using var trainer = new Trainer(task, new TrainingOptions { Steps = 3 });
        _ = trainer.Advance();
        Assert.Contains("second is NaN at step 2", Assert.Throws<InvalidOperationException>(() => trainer.Advance()).Message, StringComparison.Ordinal);
        Assert.True(task.IsFinite);
    }

    [Fact]
    public void Names_that_differ_in_capitals_alone_are_one_file()
    {
        using var task = new PairTask("First", _ => 1);
        Assert.Contains("first, First", Assert.Throws<ArgumentException>(() => new Trainer(task)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_floor_that_a_constant_rate_does_not_read_is_refused()
    {
        using var task = new ScriptedTask([]);
        var options = new TrainingOptions { Shape = LearningRateShape.Constant, FinalShare = 0.5 };
        Assert.Contains("FinalShare = 0.5", Assert.Throws<ConfigurationException>(() => new Trainer(task, options)).Message, StringComparison.Ordinal);
    }

    private sealed class PairTask : ITrainingTask, IDisposable
    {
        private readonly TorchSharp.Modules.Linear one = nn.Linear(1, 1, hasBias: false);
        private readonly TorchSharp.Modules.Linear two = nn.Linear(1, 1, hasBias: false);

        internal PairTask(string second, Func<long, double> schedule) =>
            Learners = [new("first", one), new(second, two) { Schedule = schedule }];

        public IReadOnlyList<Learner> Learners { get; }

        internal bool IsFinite => float.IsFinite(two.weight!.item<float>());

        public void Learn(TrainingTurn turn)
        {
            turn.Descend(Learners[0], one.weight!.sum());
            turn.Descend(Learners[1], two.weight!.sum());
        }

        public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

        public void Restore(IReadOnlyDictionary<string, Tensor> progress)
        {
        }

        public void Dispose()
        {
            one.Dispose();
            two.Dispose();
        }
    }
}
