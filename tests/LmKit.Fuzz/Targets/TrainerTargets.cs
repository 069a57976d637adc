using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Fuzz;

/// <summary>Readers of checkpoints of every trainer; a run that resumed goes one step further.</summary>
internal static class TrainerTargets
{
    private const long Steps = 3;
    private const long Interval = 2; // the one checkpoint is that of step 2
    private const long Mask = 4;
    private const int Length = 6;

    private static readonly SupervisedExample[] Examples =
        [.. Enumerable.Range(0, 7).Select(index => new SupervisedExample([.. Enumerable.Range(0, 4 + (index % 3)).Select(place => (index + (place * 3)) % 11)], [.. Enumerable.Range(0, 4 + (index % 3)).Select(place => place > 1)]))];

    internal static IEnumerable<FuzzTarget> All =>
    [
        Of("trainer-checkpoint", NextToken),
        Of("finetune-checkpoint", FineTuning),
        Of("denoising-checkpoint", Denoising),
        new("distill-checkpoint", root => WriteDistillation(Path.Combine(root, "sdtt")), (folder, _) => Distillation(folder)),
        Of("autoencoder-checkpoint", Autoencoder),
    ];

    private static FuzzTarget Of(string name, Func<string, bool, string> run) =>
        new(name, root => run(Path.Combine(root, "run"), false), (folder, _) => run(folder, true));

    private static string NextToken(string folder, bool resumes)
    {
        using var model = ToyModels.Builder().AddAttention(attention => attention.HeadCount = 2).AddH3(h3 => h3.StateDim = 4, layers: [1]).Build();
        var path = Path.Combine(Scratch.Make(), "a.tokens");
        try
        {
            using var data = TokenDataset.Create([new TextDocument("text", string.Concat(Enumerable.Range(0, 90).Select(place => (char)(place * 7 % 11))))], ModelTokenizer.Bytes with { VocabSize = 11 }, path);
            return Run(new LanguageModelTask(model, data, Length, 2, seed: 3), folder, resumes);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
        }
    }

    private static string FineTuning(string folder, bool resumes)
    {
        using var model = ToyModels.Attention(lora => lora.Rank = 2);
        return Run(new FineTuner(model, Examples, new FineTuningOptions { RowLength = 8, RowCount = 2, TrainedTokens = [3] }), folder, resumes);
    }

    private static string Denoising(string folder, bool resumes)
    {
        using var network = Network(3);
        using var task = DenoisingTask.OnBatches(network, new LanguageModelDenoiser(network, Mask), random => Rows(2, random), seed: 1);
        return Run(task, folder, resumes);
    }

    private static string Autoencoder(string folder, bool resumes)
    {
        using var random = new Generator(1);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 4, FeatureCount = 6, ActiveCount = 2 }, new ParameterFactory(random));
        using var task = AutoencoderTask.OnBatches(autoencoder, Enumerable.Range(0, 9).Select(_ => randn([8, 4], generator: random)), new() { Steps = Steps, WarmupSteps = 2 });
        return Run(task, new TrainingOptions(), folder, resumes);
    }

    private static string Run(ILossTask task, string folder, bool resumes) => Run(task, new TrainingOptions { Steps = Steps, LearningRate = 0.01 }, folder, resumes);

    private static string Run(ITrainingTask task, TrainingOptions options, string folder, bool resumes)
    {
        (options.AverageDecay, options.CheckpointFolder, options.CheckpointInterval) = (0.9, folder, Interval);
        using var trainer = new Trainer(task, options);
        var digest = new Digest();
        if (resumes)
            digest.Add("resumed", trainer.Resume()).Add("step", trainer.Step).Add(task.Learners[0].Module).Add(task.Progress()).Add(trainer.Average!.Tensors);
        try
        {
            trainer.Run();
        }
        catch (TrainingDivergedException)
        {
            // Weights may be large and whole all the same: that is no fault of the reader.
        }
        return digest.ToString();
    }

    private static void WriteDistillation(string folder)
    {
        using var run = new Distiller(folder);
        run.Trainer.Advance();
        run.Trainer.Advance();
        run.Trainer.Save();
    }

    private static string Distillation(string folder)
    {
        using var run = new Distiller(folder);
        var digest = new Digest().Add("resumed", run.Trainer.Resume()).Add("step", run.Trainer.Step).Add(run.Student).Add(run.Task.Progress()).Add(run.Trainer.Average!.Tensors);
        try
        {
            run.Trainer.Advance();
        }
        catch (TrainingDivergedException)
        {
            // As above.
        }
        return digest.ToString();
    }

    private static LanguageModel Network(ulong seed) =>
        DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 5, ModelDim = 8, LayerCount = 1, HeadCount = 2, ConditionDim = 4, DropoutRate = 0.1, Seed = seed });

    private static Tensor Rows(long count, Generator random) => randint(0, Mask, [count, Length], dtype: ScalarType.Int64, generator: random);

    /// <summary>A distillation of a few steps.</summary>
    private sealed class Distiller : IDisposable
    {
        private readonly LanguageModel teacher = Network(5);

        internal Distiller(string folder)
        {
            var options = new SdttOptions { Steps = 2, RoundCount = 2, TeacherStepCount = 8, BatchSize = 2, WarmupSteps = 1 };
            Task = new SdttTask(Student, new LanguageModelDenoiser(Student, Mask), teacher, new LanguageModelDenoiser(teacher, Mask), Rows, options);
            Trainer = new Trainer(Task, new TrainingOptions { CheckpointFolder = folder });
        }

        internal LanguageModel Student { get; } = Network(3);

        internal SdttTask Task { get; }

        internal Trainer Trainer { get; }

        public void Dispose()
        {
            Trainer.Dispose();
            Task.Dispose();
            teacher.Dispose();
            Student.Dispose();
        }
    }
}
