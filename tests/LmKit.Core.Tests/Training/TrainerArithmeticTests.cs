using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The trainer against AdamW's equations in plain numbers (Loshchilov and Hutter 2019, with the global norm clipped first).</summary>
[NoTensorLeak]
public sealed class TrainerArithmeticTests
{
    private const double Tolerance = 1e-12;
    private const int StepCount = 7;
    private const double HintedScale = 0.5;
    private const double HintedMost = 0.01;

    [Theory]
    [InlineData(0.0, 1)]
    [InlineData(0.7, 1)]
    [InlineData(0.7, 3)]
    [InlineData(100.0, 2)]
    public void Weights_moments_and_reports_are_those_of_the_equations(double maxNorm, int accumulation)
    {
        using var scope = NewDisposeScope();
        using var task = new Bowl();
        var options = Options(maxNorm, accumulation);
        using var trainer = new Trainer(task, options);
        var reports = TrainingScene.Run(trainer);
        var expected = new Reference(options, task.Start);
        for (var step = 0; step < StepCount; step++)
        {
            var (loss, count, norm, rate) = expected.Step(step);
            Assert.Equal((step + 1L, (long)StepCount, count), (reports[step].Step, reports[step].TotalSteps, reports[step].TokenCount));
            Assert.Equal(loss, reports[step].Loss, Tolerance);
            Assert.Equal(norm, reports[step].GradientNorm, Tolerance);
            Assert.Equal(rate, reports[step].LearningRate, Tolerance);
        }
        Assert.Equal(StepCount, reports.Count);
        for (var index = 0; index < expected.Weights.Length; index++)
        {
            Assert.Equal(expected.Weights[index], task.Values[index], Tolerance);
            Assert.Equal(expected.Average[index], Average(trainer)[index], Tolerance);
        }
    }

    // Without clipping, with and without decay, warm-up and restarts: each option changes the weights.
    [Fact]
    public void Every_option_of_the_optimizer_reaches_the_weights()
    {
        var plain = Trained(_ => { });
        foreach (var change in new Action<TrainingOptions>[]
        {
            options => options.LearningRate = 0.04, options => options.Beta1 = 0.5, options => options.Beta2 = 0.6, options => options.Epsilon = 0.1, options => options.WeightDecay = 0,
            options => options.MaxGradientNorm = 0.1, options => options.WarmupSteps = 0, options => options.FinalShare = 1, options => options.Shape = LearningRateShape.Linear,
            options => options.DecayScope = DecayScope.All, options => options.AccumulationCount = 2, options => options.Steps = StepCount - 1,
        })
        {
            Assert.NotEqual(plain, Trained(change));
        }

        static double[] Trained(Action<TrainingOptions> change)
        {
            using var scope = NewDisposeScope();
            using var task = new Bowl();
            var options = Options(0.7, 1);
            change(options);
            using var trainer = new Trainer(task, options);
            trainer.Run();
            return task.Values;
        }
    }

    private static TrainingOptions Options(double maxNorm, int accumulation) => new()
    {
        Steps = StepCount,
        AccumulationCount = accumulation,
        LearningRate = 0.03,
        WarmupSteps = 3,
        FinalShare = 0.2,
        Beta1 = 0.8,
        Beta2 = 0.95,
        Epsilon = 1e-3,
        WeightDecay = 0.3,
        MaxGradientNorm = maxNorm,
        AverageDecay = 0.4,
    };

    private static double[] Average(Trainer trainer) => [.. new[] { "matrix", "vector", "hinted" }.SelectMany(name => trainer.Average!.Tensors[name].data<double>().ToArray())];

    /// <summary>The equations, over the numbers of all parameters in one row: six of a matrix, three of a vector, two of a hinted one.</summary>
    private sealed class Reference(TrainingOptions options, double[] start)
    {
        private readonly double[] first = new double[start.Length];
        private readonly double[] second = new double[start.Length];
        private int micro;

        internal double[] Weights { get; } = [.. start];

        internal double[] Average { get; } = [.. start];

        internal (double Loss, long Count, double Norm, double Rate) Step(int step)
        {
            var (gradient, loss, count) = (new double[start.Length], 0.0, 0L);
            for (var part = 0; part < options.AccumulationCount; part++, micro++)
            {
                var tokens = Bowl.Tokens(micro);
                for (var index = 0; index < start.Length; index++)
                {
                    gradient[index] += tokens * Bowl.Slope(index, micro) * Weights[index];
                    loss += tokens * Bowl.Slope(index, micro) * Weights[index] * Weights[index] / 2;
                }
                count += tokens;
            }
            var norm = Math.Sqrt(gradient.Sum(g => g * g)) / count;
            var clip = options.MaxGradientNorm > 0 ? Math.Min(1, options.MaxGradientNorm / (norm + 1e-6)) : 1;
            // Cosine from the warm-up's end to the last step, down to the floor.
            var share = step < 3 ? step / 3.0 : 0.2 + 0.8 * (1 + Math.Cos(Math.PI * (step - 3) / (StepCount - 3))) / 2;
            var kept = Math.Min(0.4, (2.0 + step) / (11.0 + step));
            for (var index = 0; index < start.Length; index++)
            {
                var g = gradient[index] / count * clip;
                var rate = share * (index < 9 ? options.LearningRate : Math.Min(options.LearningRate * HintedScale, HintedMost));
                Weights[index] -= rate * (index < 6 ? options.WeightDecay : 0) * Weights[index];
                first[index] = options.Beta1 * first[index] + (1 - options.Beta1) * g;
                second[index] = options.Beta2 * second[index] + (1 - options.Beta2) * g * g;
                var (mean, square) = (first[index] / (1 - Math.Pow(options.Beta1, step + 1)), second[index] / (1 - Math.Pow(options.Beta2, step + 1)));
                Weights[index] -= rate * mean / (Math.Sqrt(square) + options.Epsilon);
                Average[index] = kept * Average[index] + (1 - kept) * Weights[index];
            }
            return (loss / count, count, norm, options.LearningRate * share);
        }
    }

    /// <summary>The sum of slope w^2 / 2 over all weights, times the micro-batch's tokens.</summary>
    private sealed class Bowl : ILossTask, IDisposable
    {
        private readonly Weights model = new();
        private int micro;

        public nn.Module Model => model;

        public bool CanEvaluate => false;

        internal double[] Start { get; } = [.. Enumerable.Range(0, 11).Select(index => 1.5 - 0.37 * index)];

        internal double[] Values
        {
            get
            {
                using var all = model.All;
                return all.data<double>().ToArray();
            }
        }

        internal static long Tokens(int micro) => 2 + micro % 3;

        internal static double Slope(int index, int micro) => 0.4 + 0.3 * index - 0.11 * micro;

        public TrainingLoss NextLoss()
        {
            var number = micro++;
            var slopes = tensor(Enumerable.Range(0, 11).Select(index => Slope(index, number)).ToArray());
            return new((model.All.square() * slopes).sum() * (Tokens(number) / 2.0), Tokens(number));
        }

        public Estimate? Evaluate() => null;

        public IReadOnlyDictionary<string, Tensor> Progress() => new Dictionary<string, Tensor>();

        public void Restore(IReadOnlyDictionary<string, Tensor> progress) => micro = 0;

        public void Dispose() => model.Dispose();
    }

    private sealed class Weights : nn.Module, IParameterHints
    {
        private readonly Parameter matrix = Of(0, 2, 3);
        private readonly Parameter vector = Of(6, 3);
        private readonly Parameter hinted = Of(9, 2);

        internal Weights()
            : base(nameof(Weights)) => RegisterComponents();

        public ParameterHint? Hint(string parameterName) => parameterName == nameof(hinted) ? new ParameterHint(HintedScale, HintedMost) : null;

        internal Tensor All => cat([matrix.view(-1), vector, hinted]);

        private static Parameter Of(int start, params long[] shape)
        {
            using var scope = NewDisposeScope();
            var values = arange(start, start + shape.Aggregate((a, b) => a * b), dtype: ScalarType.Float64) * -0.37 + 1.5;
            return (Parameter)new Parameter(values.view(shape).clone()).DetachFromDisposeScope();
        }
    }
}
