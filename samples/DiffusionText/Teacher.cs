using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.DiffusionText;

/// <summary>The teacher: a small diffusion transformer, trained here or read from a file.</summary>
internal static class Teacher
{
    private const int BatchSize = 64;
    private const int EvaluationRows = 256;

    internal static LanguageModel Empty(ulong seed = 0) => DiffusionTransformer.Build(new DiffusionTransformerOptions
    {
        VocabSize = ChainText.MaskId + 1,
        ModelDim = 48,
        LayerCount = 2,
        HeadCount = 4,
        ConditionDim = 32,
        DropoutRate = 0,
        Seed = seed,
    });

    internal static LanguageModel Read(string path)
    {
        var transformer = Empty();
        CheckpointLoader.Load(transformer, path, MdlmKeyMap.Map);
        return transformer;
    }

    internal static LanguageModel Copy(LanguageModel teacher)
    {
        var copy = Empty();
        CheckpointLoader.Load(copy, ModuleTensors.Of(teacher));
        return copy;
    }

    /// <summary>Trains one from scratch.</summary>
    internal static LanguageModel Train(ChainText text, long steps, ulong seed, IProgress<TrainingStep> progress, CancellationToken cancellation)
    {
        var transformer = Empty(seed);
        using var task = DenoisingTask.OnBatches(transformer, Denoiser(transformer), random => text.Rows(BatchSize, random), seed);
        using var trainer = new Trainer(task, new TrainingOptions
        {
            Steps = steps,
            LearningRate = 2e-3,
            WarmupSteps = Math.Min(100, steps / 4),
            FinalShare = 0.05,
            Beta2 = 0.99,
            WeightDecay = 0,
            AverageDecay = 0.999,
        });
        trainer.Run(progress, cancellation);
        CheckpointLoader.Load(transformer, trainer.Average!.Tensors);
        return transformer;
    }

    /// <summary>The bound per token in nats, on so many batches of rows that no training saw.</summary>
    internal static Estimate Bound(ChainText text, LanguageModel transformer, long batches)
    {
        using var heldOut = new Generator(1_000_003);
        using var task = DenoisingTask.OnBatches(
            transformer,
            Denoiser(transformer),
            random => text.Rows(BatchSize, random),
            seed: 0,
            heldOut: () => Enumerable.Range(0, (int)batches).Select(_ => text.Rows(EvaluationRows, heldOut)));
        return task.Evaluate()!;
    }

    internal static LanguageModelDenoiser Denoiser(LanguageModel transformer) => new(transformer, ChainText.MaskId);
}
