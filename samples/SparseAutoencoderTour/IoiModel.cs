using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>The tiny language model of R4: three layers of width 64 that learn indirect object identification.</summary>
public static class IoiModel
{
    private const int BatchSize = 128;
    private const int LayerCount = 3;
    private const double LearningRate = 1e-3;
    private const double DecayShare = 0.3;

    /// <summary>Builds and trains it; the caller disposes it.</summary>
    public static LanguageModel Train(IoiDataset dataset, long vocabSize, long length, int steps, ulong seed, IProgress<TrainingStep> progress)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = 64, LayerCount = LayerCount };
        (builder.Options.IsHeadTied, builder.Options.InitializerRange, builder.Options.Seed) = (false, 0.05, seed);
        var model = builder
            .AddLearnedPositions(length)
            .AddAttention(attention => attention.HeadCount = 4)
            .AddMlp(mlp => (mlp.MlpDim, mlp.Activation) = (128, Activation.Gelu))
            .Build();
        StartAllAlike(model);
        using var task = new IoiTrainingTask(model, dataset, BatchSize, seed);
        Run(task, steps, progress);
        model.eval();
        return model;
    }

    // The recipe's rate is level up to the last 30 % of the steps, a shape that the trainer lacks.
    private static void Run(IoiTrainingTask task, int steps, IProgress<TrainingStep> progress)
    {
        TorchSharp.Modules.Parameter[] parameters = [.. task.Model.parameters()];
        using var optimizer = optim.AdamW(parameters, LearningRate, beta1: 0.9, beta2: 0.98, weight_decay: 0.01);
        task.Model.train();
        for (var step = 0; step < steps; step++)
        {
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var loss = task.NextLoss();
            loss.Sum.Backward();
            var norm = GradientClipping.Apply(parameters, 1.0 / loss.Count, maxNorm: 1);
            var rate = LearningRate * DictionarySchedule.Share(step, steps, Math.Min(100, steps / 4), (long)(DecayShare * steps));
            foreach (var group in optimizer.ParamGroups)
                group.LearningRate = rate;
            optimizer.step();
            var mean = loss.Sum.to(ScalarType.Float64).item<double>() / loss.Count;
            if (!double.IsFinite(mean) || !double.IsFinite(norm))
                throw new TrainingDivergedException(step + 1, double.IsFinite(mean) ? "gradient" : "loss", null);
            progress.Report(new TrainingStep(step + 1, steps, mean, loss.Count, norm, rate, null, TimeSpan.Zero));
        }
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
