using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public sealed class DenoisingResumeTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    private static DiffusionTransformerOptions Sizes => new() { VocabSize = 257, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0.1, Seed = 3 };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_run_on_windows_goes_on_bit_for_bit()
    {
        using var scope = NewDisposeScope();
        using var data = Data("a");
        double[] Run(long stopAt, bool resumes)
        {
            using var network = DiffusionTransformer.Build(Sizes);
            using var task = OnWindows(network, data);
            using var trainer = Trainer(task, 6);
            Assert.Equal(resumes, resumes && trainer.Resume());
            using var stop = new CancellationTokenSource();
            try
            {
                trainer.Run(new Immediately(step => { if (step.Step == stopAt) stop.Cancel(); }), stop.Token);
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(stopAt, trainer.Step);
            }
            return DistillerRun.Values(network);
        }
        var whole = Run(6, resumes: false);
        Run(3, resumes: false);
        Assert.Equal(whole, Run(6, resumes: true));
    }

    [Theory]
    [InlineData("data", "data_key")]
    [InlineData("length", "window_length: expected 12, found 8")]
    [InlineData("batch", "batch_size: expected 3, found 2")]
    [InlineData("seed", "seed: expected 9, found 1")]
    [InlineData("times", "times.min_time: expected 0.01, found 0.001")]
    [InlineData("schedule", "schedule: expected CosineNoiseSchedule, found LogLinearSchedule")]
    [InlineData("epsilon", "schedule.sigma")]
    [InlineData("mask", "mask_id: expected 255, found 256")]
    [InlineData("dropout", "model.model.residual_dropout_rate: expected 0.5, found 0.1")]
    public void A_run_on_windows_is_refused_by_every_difference(string what, string difference)
    {
        using var scope = NewDisposeScope();
        using (var data = Data("a"))
        using (var network = DiffusionTransformer.Build(Sizes))
        using (var task = OnWindows(network, data))
        using (var trainer = Trainer(task, 2))
        {
            trainer.Run();
            trainer.Save();
        }
        var sizes = Sizes;
        sizes.DropoutRate = what == "dropout" ? 0.5 : 0.1;
        using var other = DiffusionTransformer.Build(sizes);
        using var others = Data(what == "data" ? "b" : "a");
        NoiseSchedule schedule = what switch { "schedule" => new CosineNoiseSchedule(), "epsilon" => new LogLinearSchedule(0.01), _ => new LogLinearSchedule() };
        var times = new TimeSampling(schedule, what == "times" ? new() { MinTime = 0.01 } : null);
        using var second = DenoisingTask.OnWindows(other, new LanguageModelDenoiser(other, what == "mask" ? 255 : 256), others, what == "length" ? 12 : 8, what == "batch" ? 3 : 2, what == "seed" ? 9UL : 1, times);
        using var resumed = Trainer(second, 2);
        Assert.Contains(difference, Assert.Throws<CheckpointMismatchException>(() => resumed.Resume()).Message, StringComparison.Ordinal);
        Assert.Equal(0, resumed.Step);
    }

    [Fact]
    public void Batches_of_another_function_are_refused()
    {
        using var scope = NewDisposeScope();
        Assert.True(Resumes(4));
        Assert.Equal("data_key", Assert.Single(Assert.Throws<CheckpointMismatchException>(() => Resumes(3)).WrongValue).Name);

        bool Resumes(long high)
        {
            using var network = DiffusionTransformer.Build(Sizes);
            using var task = DenoisingTask.OnBatches(network, new LanguageModelDenoiser(network, 256), random => randint(0, high, [2, 6], dtype: ScalarType.Int64, generator: random), 5);
            using var trainer = Trainer(task, 2);
            if (trainer.Resume())
                return true;
            trainer.Run();
            trainer.Save();
            return trainer.Resume();
        }
    }

    [Fact]
    public void Progress_that_lacks_something_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var data = Data("a");
        using var network = DiffusionTransformer.Build(Sizes);
        using var task = OnWindows(network, data);
        var progress = task.Progress().ToDictionary();
        progress.Remove("noise_random");
        Assert.Equal(["noise_random"], Assert.Throws<CheckpointMismatchException>(() => task.Restore(progress)).Missing);
        progress = task.Progress().ToDictionary();
        progress["place"] = tensor(new long[] { 0, 1_000_000 });
        Assert.Contains("1000000", Assert.Throws<CheckpointMismatchException>(() => task.Restore(progress)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Evaluating_without_held_out_data_and_absurd_batches_are_refused()
    {
        using var scope = NewDisposeScope();
        using var data = Data("a");
        using var network = DiffusionTransformer.Build(Sizes);
        using var task = OnWindows(network, data);
        Assert.Contains("EvaluationInterval = 1", Assert.Throws<ConfigurationException>(() => new Trainer(task, new() { EvaluationInterval = 1 })).Message, StringComparison.Ordinal);
        Assert.Contains("1000000000 windows", Assert.Throws<ArgumentException>(() => DenoisingTask.OnWindows(network, new LanguageModelDenoiser(network, 256), data, 8, 1_000_000_000, 1)).Message, StringComparison.Ordinal);
    }

    private static DenoisingTask OnWindows(LanguageModel network, TokenDataset data) => DenoisingTask.OnWindows(network, new LanguageModelDenoiser(network, 256), data, 8, 2, 1);

    private Trainer Trainer(DenoisingTask task, long steps) => new(task, new TrainingOptions { Steps = steps, CheckpointFolder = Path.Combine(folder, "run") });

    private TokenDataset Data(string letter) =>
        TokenDataset.Create([new TextDocument(letter, string.Concat(Enumerable.Range(0, 60).Select(index => $"{letter}{index % 7} ")))], ModelTokenizer.Bytes, Path.Combine(folder, letter));

    private sealed class Immediately(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
