using System.Diagnostics;
using System.Globalization;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>Many training steps of every trainer leave no tensor and no memory behind.</summary>
public sealed class ManyStepsTests
{
    private const long MegaByte = 1 << 20;
    private const long AllowedGrowth = 24 * MegaByte;

    [Fact]
    public void A_hundred_steps_leave_nothing_behind() => OwnProcess.Check(Train, "140", "40");

    [Fact]
    [Trait("Category", "Long")]
    public void A_thousand_steps_leave_nothing_behind() => OwnProcess.Check(Train, "1200", "200");

    private static void Train(string[] arguments)
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);
        var (steps, warm) = (long.Parse(arguments[0], CultureInfo.InvariantCulture), long.Parse(arguments[1], CultureInfo.InvariantCulture));
        var folder = Directory.CreateTempSubdirectory("lmkit-steps-").FullName;
        try
        {
            using var data = TokenDataset.Create(Corpus.Documents(40), ModelTokenizer.Bytes, Path.Combine(folder, "tokens"));
            var builder = new LanguageModelBuilder { VocabSize = 257, ModelDim = 16, LayerCount = 2 };
            builder.Options.ResidualDropoutRate = 0.1;
            using var model = builder.AddH3(h3 => h3.StateDim = 4).AddAttention(attention => attention.HeadCount = 2, layers: [1]).AddMonarchLinear().UseLora(lora => lora.Rank = 2).Build();
            Measure("next token", new LanguageModelTask(model, data, length: 32, batchSize: 2, seed: 1, heldOut: data), steps, warm);
            using var network = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 9, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, Seed = 1 });
            using var denoising = DenoisingTask.OnBatches(network, new LanguageModelDenoiser(network, 8), random => randint(0, 8, [4, 6], ScalarType.Int64, generator: random), 1);
            Measure("denoising", denoising, steps, warm);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Measure(string name, ILossTask task, long steps, long warm)
    {
        var options = new TrainingOptions { Steps = steps, LearningRate = 1e-3, AccumulationCount = 2, AverageDecay = 0.9, EvaluationInterval = task.CanEvaluate ? warm : 0 };
        using var trainer = new Trainer(task, options);
        var counts = new List<(long Live, long All, long Memory)>();
        trainer.Run(new Told(step =>
        {
            if (step.Step == warm || step.Step == steps)
                counts.Add((LiveTensors.Count, Tensor.TotalCount, Memory()));
        }));
        Console.WriteLine($"{name}, {steps} steps: live tensors {counts[0].Live} and then {counts[1].Live}, resident {counts[0].Memory / MegaByte} MiB and then {counts[1].Memory / MegaByte} MiB");
        Assert.Equal((counts[0].Live, counts[0].All), (counts[1].Live, counts[1].All));
        Assert.InRange(counts[1].Memory - counts[0].Memory, long.MinValue, AllowedGrowth);
    }

    private static long Memory()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private sealed class Told(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
