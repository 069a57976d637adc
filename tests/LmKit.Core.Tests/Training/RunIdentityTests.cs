using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public sealed class RunIdentityTests : TrainingScene
{
    // Every option of a run, each with another value that the other options allow.
    private static readonly Dictionary<string, (Action<TrainingOptions> Change, string? Difference)> changes = new()
    {
        [nameof(TrainingOptions.Steps)] = (options => options.Steps = 3, "steps: expected 3, found 2"),
        [nameof(TrainingOptions.AccumulationCount)] = (options => options.AccumulationCount = 2, "accumulation_count: expected 2, found 1"),
        [nameof(TrainingOptions.LearningRate)] = (options => options.LearningRate = 0.5, "learning_rate: expected 0.5, found 0.01"),
        [nameof(TrainingOptions.Shape)] = (options => options.Shape = LearningRateShape.Linear, "shape: expected linear, found cosine_restarts"),
        [nameof(TrainingOptions.WarmupSteps)] = (options => options.WarmupSteps = 1, "warmup_steps: expected 1, found 2"),
        [nameof(TrainingOptions.FinalShare)] = (options => options.FinalShare = 0, "final_share: expected 0, found 0.1"),
        [nameof(TrainingOptions.CycleCount)] = (options => options.CycleCount = 2, "cycle_count: expected 2, found 1"),
        [nameof(TrainingOptions.Beta1)] = (options => options.Beta1 = 0.8, "beta1: expected 0.8, found 0.9"),
        [nameof(TrainingOptions.Beta2)] = (options => options.Beta2 = 0.99, "beta2: expected 0.99, found 0.999"),
        [nameof(TrainingOptions.Epsilon)] = (options => options.Epsilon = 1e-6, "epsilon: expected 1E-06, found 1E-08"),
        [nameof(TrainingOptions.WeightDecay)] = (options => options.WeightDecay = 0, "weight_decay: expected 0, found 0.1"),
        [nameof(TrainingOptions.DecayScope)] = (options => options.DecayScope = DecayScope.All, "decay_scope: expected all, found matrices"),
        [nameof(TrainingOptions.MaxGradientNorm)] = (options => options.MaxGradientNorm = 0, "max_gradient_norm: expected 0, found 1"),
        [nameof(TrainingOptions.AverageDecay)] = (options => options.AverageDecay = 0.9, "average_decay: expected 0.9, found 0.99"),
        [nameof(TrainingOptions.EvaluationInterval)] = (options => options.EvaluationInterval = 1, null),
        [nameof(TrainingOptions.Patience)] = (options => (options.Patience, options.EvaluationInterval) = (3, 1), null),
        [nameof(TrainingOptions.MinImprovement)] = (options => (options.MinImprovement, options.Patience, options.EvaluationInterval) = (0.1, 3, 1), null),
        [nameof(TrainingOptions.KeepsBest)] = (options => (options.KeepsBest, options.EvaluationInterval) = (true, 1), null),
        [nameof(TrainingOptions.MaxDuration)] = (options => options.MaxDuration = TimeSpan.FromHours(1), null),
        [nameof(TrainingOptions.LossCurveFile)] = (options => options.LossCurveFile = options.CheckpointFolder + ".csv", null),
        [nameof(TrainingOptions.CheckpointInterval)] = (options => options.CheckpointInterval = 1, null),
        [nameof(TrainingOptions.CheckpointFolder)] = (options => options.CheckpointFolder += Path.DirectorySeparatorChar, null),
    };

    public static TheoryData<string> Names => [.. changes.Keys];

    [Fact]
    public void Every_option_of_a_run_is_either_compared_or_free() =>
        Assert.Equal(typeof(TrainingOptions).GetProperties().Select(property => property.Name).Order(), changes.Keys.Order());

    [Theory]
    [MemberData(nameof(Names))]
    public void A_run_resumes_with_its_own_options_only_and_the_free_ones(string name)
    {
        using var model = Model();
        Save(model, Restarts());
        var options = Restarts();
        changes[name].Change(options);
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1, Data), options);
        if (changes[name].Difference is not { } difference)
        {
            Assert.True(trainer.Resume());
            return;
        }
        var error = Assert.Throws<CheckpointMismatchException>(() => trainer.Resume());
        Assert.Equal(difference, error.WrongValue[0].ToString());
        Assert.Contains($"is of another run: {difference}", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, trainer.Step);
    }

    [Fact]
    public void With_a_constant_rate_a_run_may_be_made_longer_or_shorter()
    {
        using var model = Model();
        var options = Restarts();
        options.Shape = LearningRateShape.Constant;
        Save(model, options);
        foreach (var steps in (long[])[1, 50])
        {
            options.Steps = steps;
            using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), options);
            Assert.True(trainer.Resume());
            Assert.Equal(2, trainer.Step);
        }
    }

    [Fact]
    public void A_model_of_another_configuration_is_refused_though_its_tensors_are_alike()
    {
        using var model = Model();
        Save(model, Restarts());
        using var other = Model(dropout: 0.25);
        var error = Refused(other);
        Assert.Contains(error.WrongValue, pair => pair.Name.Contains("drop", StringComparison.Ordinal) && pair.Expected == "0.25" && pair.Found == "0");
    }

    [Fact]
    public void A_model_of_other_shapes_or_type_is_refused()
    {
        using var model = Model();
        Save(model, Restarts());
        using var wider = new LanguageModelBuilder { VocabSize = 256, ModelDim = 32, LayerCount = 2 }.AddAttention(attention => attention.HeadCount = 2).Build();
        Assert.Contains(Refused(wider).WrongValue, pair => pair is { Expected: "32", Found: "24" });
        using var half = Model(ScalarType.BFloat16);
        Assert.Contains(Refused(half).WrongValue, pair => pair.Name.Contains("dtype", StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_module_says_of_its_own_parameters_belongs_to_the_run()
    {
        using (var plain = new HintedTask(null))
        using (var trainer = new Trainer(plain, Restarts()))
            trainer.Save();
        using var other = new HintedTask(new ParameterHint(0.5, 1e-3, false));
        using var second = new Trainer(other, Restarts());
        var difference = Assert.Single(Assert.Throws<CheckpointMismatchException>(() => second.Resume()).WrongValue);
        Assert.Equal(("hint.weight", "0.5 x the rate, at most 0.001, does not decay", "none"), (difference.Name, difference.Expected, difference.Found));
    }

    [Fact]
    public void An_option_that_is_not_set_is_as_one_that_was_not_known()
    {
        var (before, now) = (new RunIdentity("task", "a"), new RunIdentity("task", "a").Add("new_option", null));

        Assert.Empty(now.Differences(before));
        Assert.Empty(before.Differences(now));
        Assert.Single(now.Add("new_option", 1).Differences(before));
    }

    [Fact]
    public void Of_configurations_in_two_formats_the_format_alone_is_named()
    {
        RunIdentity Of(int format, int heads, double rate) => new RunIdentity("task", "a")
            .Add("model.format", format).Add("model.components.count", heads).Add("model.components[0].options.format", $"{heads}").Add("learning_rate", rate);

        Assert.Equal(["model.components.count", "model.components[0].options.format", "learning_rate"], Of(1, 2, 0.1).Differences(Of(1, 4, 0.2)).Select(wrong => wrong.Name));
        var wrong = Of(2, 2, 0.1).Differences(Of(1, 4, 0.2));
        Assert.Equal(["model.format", "learning_rate"], wrong.Select(one => one.Name));
        Assert.Equal(("2 (a run goes on with the version of LmKit that began it)", "1"), (wrong[0].Expected, wrong[0].Found));
    }

    [Fact]
    public void Runs_of_different_tasks_are_compared_no_further()
    {
        using var model = Model();
        Save(model, Restarts());
        using var task = new HintedTask(null);
        using var trainer = new Trainer(task, Restarts());
        Assert.Equal("task", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => trainer.Resume()).WrongValue).Name);
    }

    [Fact]
    public void Rows_drawn_from_the_generator_alone_are_known_again_and_others_are_not_compared()
    {
        RunIdentity Of(Func<Generator, Tensor> draw) => new RunIdentity("task", "rows").AddRows("data_key", draw);
        Tensor Draw(Generator random, long high) => randint(0, high, [2, 3], dtype: ScalarType.Int64, generator: random);
        var calls = 0L;
        Assert.Empty(Of(random => Draw(random, 9)).Differences(Of(random => Draw(random, 9))));
        Assert.Single(Of(random => Draw(random, 9)).Differences(Of(random => Draw(random, 8))));
        Assert.Empty(Of(_ => tensor(calls++)).Differences(Of(_ => tensor(calls++))));
    }

    private CheckpointMismatchException Refused(LanguageModel model)
    {
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), Restarts());
        return Assert.Throws<CheckpointMismatchException>(() => trainer.Resume());
    }

    private TrainingOptions Restarts()
    {
        var options = Options(2);
        options.Shape = LearningRateShape.CosineRestarts;
        return options;
    }

    private void Save(LanguageModel model, TrainingOptions options)
    {
        using var trainer = new Trainer(new LanguageModelTask(model, Data, 16, 2, 1), options);
        Run(trainer);
        trainer.Save();
    }

    private sealed class HintedTask(ParameterHint? hint) : ILossTask, IDisposable
    {
        private readonly Hinted model = new(hint);

        public nn.Module Model => model;

        public TrainingLoss NextLoss() => new(model.parameters().Single().sum(), 1);

        public Estimate? Evaluate() => null;

        public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

        public void Restore(IReadOnlyDictionary<string, Tensor> progress)
        {
        }

        public void Dispose() => model.Dispose();
    }

    private sealed class Hinted : nn.Module, IParameterHints
    {
        private readonly ParameterHint? hint;
        private readonly TorchSharp.Modules.Parameter weight;

        internal Hinted(ParameterHint? hint)
            : base(nameof(Hinted))
        {
            this.hint = hint;
            weight = new TorchSharp.Modules.Parameter(ones(2, 2));
            RegisterComponents();
        }

        public ParameterHint? Hint(string parameterName) => hint;
    }
}
