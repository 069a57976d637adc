using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class KeptTrainingTests : IDisposable
{
    private const long Width = 24;
    private const long Features = 512;
    private const long Rows = 40;

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string> Kinds => [.. All.Keys];

    private static Dictionary<string, Func<ParameterFactory, SparseAutoencoder>> All { get; } = new()
    {
        ["TopK"] = parameters => new TopKAutoencoder(new TopKOptions { ModelDim = Width, FeatureCount = Features, ActiveCount = 6 }, parameters),
        ["TopK without rectifier, biases and constraint"] = parameters => new TopKAutoencoder(
            new TopKOptions { ModelDim = Width, FeatureCount = Features, ActiveCount = 6, AllowsNegativeCodes = true, UsesEncoderBias = false, SubtractsDecoderBias = false, Constraint = DecoderConstraint.Free },
            parameters),
        ["TopK with penalties and standardised rows"] = parameters => new TopKAutoencoder(
            new TopKOptions { ModelDim = Width, FeatureCount = Features, ActiveCount = 6, SparsityCoefficient = 0.01, AfaCoefficient = 0.02, InputNormalization = InputNormalization.PerRowStandardize },
            parameters),
        ["top-AFA"] = parameters => TopAfa(AfaTarget.Input, parameters),
        ["top-AFA of the centred input"] = parameters => TopAfa(AfaTarget.CentredInput, parameters),
    };

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_step_over_the_kept_features_is_the_step_over_all(string kind)
    {
        using var scope = NewDisposeScope();
        using var fast = Parameters.Make(All[kind], ScalarType.Float32);
        using var slow = Parameters.Make(All[kind], ScalarType.Float32);
        using var fastRun = new Run(fast);
        using var slowRun = new Run(slow);
        for (var step = 0; step < 5; step++)
        {
            var batch = Batch(step);
            Assert.NotNull(fast.RunToTrain(batch).Features.Kept);
            TrainingStep expected;
            using (KernelSelection.Use(KernelChoice.Reference))
                expected = slowRun.Trainer.Advance()!;
            var actual = fastRun.Trainer.Advance()!;

            foreach (var name in new[] { "active_count", "dead_count" })
                Assert.Equal(expected.Figures[name], actual.Figures[name]);
            Assert.Equal(expected.Figures.Keys, actual.Figures.Keys);
            foreach (var (name, value) in expected.Figures)
                Assert.Equal(value, actual.Figures[name], 1e-5 * Math.Max(1, Math.Abs(value)));
            if (step == 0)
            {
                foreach (var (name, parameter) in slow.named_parameters())
                    Close.Check($"gradient of {name}", parameter.grad ?? zeros_like(parameter), fast.get_parameter(name)!.grad ?? zeros_like(parameter), relativeToLargest: 1e-5);
            }
        }
        foreach (var (name, parameter) in slow.named_parameters())
            Close.Check(name, parameter, fast.get_parameter(name)!, absolute: 2e-4); // a tenth of what Adam moves a weight by
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_run_over_the_kept_features_is_resumed_bit_for_bit(string kind)
    {
        using var scope = NewDisposeScope();
        using var whole = Parameters.Make(All[kind], ScalarType.Float32);
        using var half = Parameters.Make(All[kind], ScalarType.Float32);
        using var rest = Parameters.Make(All[kind], ScalarType.Float32);
        using (var run = new Run(whole))
            run.Advance(6);
        using (var run = new Run(half, folder["run"]))
        {
            run.Advance(3);
            _ = run.Trainer.Save();
        }
        using (var run = new Run(rest, folder["run"]))
        {
            Assert.True(run.Trainer.Resume());
            run.Advance(3);
        }
        foreach (var (name, parameter) in whole.named_parameters())
            Close.Check(name, parameter, rest.get_parameter(name)!);
    }

    [Fact]
    public void Where_half_of_the_features_are_kept_the_step_is_over_all_and_counts_the_same()
    {
        using var scope = NewDisposeScope();
        static SparseAutoencoder Make(ParameterFactory parameters) => new TopKAutoencoder(new TopKOptions { ModelDim = Width, FeatureCount = Features, ActiveCount = Features / 2 }, parameters);
        using var fast = Parameters.Make(Make, ScalarType.Float32);
        using var slow = Parameters.Make(Make, ScalarType.Float32);
        using var fastRun = new Run(fast);
        using var slowRun = new Run(slow);
        var batch = Batch(0);
        Assert.Null(fast.RunToTrain(batch).Features.Kept);
        var pass = fast.Run(batch);
        var (fired, active) = CodeActivity.Of(pass);
        Close.Check("fired", pass.Codes.gt(0).any(0).to(ScalarType.Byte), fired.to(ScalarType.Byte));
        Assert.Equal(pass.Codes.gt(0).sum(1).to(ScalarType.Float64).mean().item<double>(), active, 1e-12);
        TrainingStep expected;
        using (KernelSelection.Use(KernelChoice.Reference))
            expected = slowRun.Trainer.Advance()!;
        var actual = fastRun.Trainer.Advance()!;
        Assert.Equal(expected.Figures["active_count"], actual.Figures["active_count"]);
        Assert.Equal(expected.Loss, actual.Loss, 1e-4);
        foreach (var (name, parameter) in slow.named_parameters())
            Close.Check($"gradient of {name}", parameter.grad!, fast.get_parameter(name)!.grad!, relativeToLargest: 1e-5);
    }

    [Fact]
    public void A_weight_that_is_not_finite_still_stops_the_run()
    {
        using var scope = NewDisposeScope();
        using var autoencoder = Parameters.Make(All["TopK"], ScalarType.Float32);
        using var run = new Run(autoencoder);
        using (no_grad())
            autoencoder.get_parameter("b_enc")!.narrow(0, 7, 1).fill_(double.NaN);
        Assert.Throws<TrainingDivergedException>(() => run.Trainer.Advance());
    }

    private static TopAfaAutoencoder TopAfa(AfaTarget target, ParameterFactory parameters)
    {
        var options = TopAfaOptions.Regularised();
        (options.ModelDim, options.FeatureCount, options.MaxActiveCount, options.LossTarget) = (Width, Features, 15, target);
        return new TopAfaAutoencoder(options, parameters);
    }

    private static Tensor Batch(int step)
    {
        using var random = new Generator((ulong)(step + 1));
        return randn([Rows, Width], generator: random) + 0.3;
    }

    private sealed class Run : IDisposable
    {
        private readonly AutoencoderTask task;

        internal Run(SparseAutoencoder autoencoder, string? folder = null)
        {
            task = AutoencoderTask.OnBatches(autoencoder, Enumerable.Range(0, 100).Select(Batch), new() { LearningRate = 2e-3, DeadHorizon = 2 });
            Trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = folder });
        }

        internal Trainer Trainer { get; }

        internal void Advance(int count)
        {
            for (var step = 0; step < count; step++)
                _ = Trainer.Advance();
        }

        public void Dispose()
        {
            Trainer.Dispose();
            task.Dispose();
        }
    }
}
