using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

public sealed class DenoisingTaskLawTests : TrainingTaskConformance
{
    private const long Mask = 8;

    protected override TrainingSubject Create(TaskChange change)
    {
        var network = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = Mask + 1, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0.1, Seed = 1 });
        var (high, length) = (change == TaskChange.Data ? Mask - 1 : Mask, change == TaskChange.Window ? 5 : 6);
        Tensor Draw(Generator random) => randint(0, high, [3, length], dtype: ScalarType.Int64, generator: random);
        var times = change == TaskChange.Recipe ? new TimeSampling(new CosineNoiseSchedule()) : null;
        var task = DenoisingTask.OnBatches(network, new LanguageModelDenoiser(network, Mask), Draw, change == TaskChange.Seed ? 2UL : 1, times, heldOut: () => [HeldOut()]);
        return new TrainingSubject(task, new TrainingOptions { Steps = 6, AccumulationCount = 2, AverageDecay = 0.9 }, task, network);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "seed",
        TaskChange.Recipe => "schedule",
        _ => "data_key",
    };

    private static Tensor HeldOut()
    {
        using var random = new Generator(9);
        return randint(0, Mask, [2, 6], dtype: ScalarType.Int64, generator: random);
    }
}
