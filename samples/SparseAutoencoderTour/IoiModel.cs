using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>The tiny language model of R4: three layers of width 64 that learn indirect object identification.</summary>
public static class IoiModel
{
    private const int BatchSize = 128;
    private const int LayerCount = 3;

    /// <summary>Builds and trains it; the caller disposes it.</summary>
    public static LanguageModel Train(IoiDataset dataset, long vocabSize, long length, int steps, ulong seed, IProgress<TrainingStep> progress)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = 64, LayerCount = LayerCount };
        (builder.Options.LearnedPositionCount, builder.Options.IsHeadTied, builder.Options.InitializerRange, builder.Options.Seed) = (length, false, 0.05, seed);
        var model = builder
            .AddAttention(attention => (attention.HeadCount, attention.Positions) = (4, PositionKind.None))
            .AddMlp(mlp => (mlp.MlpDim, mlp.Activation) = (128, Activation.Gelu))
            .Build();
        StartAllAlike(model);
        using var task = new IoiTrainingTask(model, dataset, BatchSize, seed);
        using var trainer = new Trainer(task, new TrainingOptions
        {
            Steps = steps,
            LearningRate = 1e-3,
            WarmupSteps = Math.Min(100, steps / 4),
            Shape = LearningRateShape.Linear,
            FinalShare = 0,
            Beta2 = 0.98,
            WeightDecay = 0.01,
        });
        trainer.Run(progress);
        return model;
    }

    // The recipe starts every matrix at one spread; with residual outputs as small as the builder makes them, 1000 steps end with the
    // model still guessing between the two names.
    private static void StartAllAlike(LanguageModel model)
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (name.EndsWith(".out_proj.weight", StringComparison.Ordinal) || name.EndsWith(".fc2.weight", StringComparison.Ordinal))
                parameter.mul_(Math.Sqrt(2 * LayerCount));
        }
    }
}
