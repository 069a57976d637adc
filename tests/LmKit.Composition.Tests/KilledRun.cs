using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>A small run of each trainer that keeps a checkpoint at every step, says every step aloud and writes what it came to.</summary>
internal static class KilledRun
{
    internal const int Steps = 30;
    internal const string Result = "result.safetensors";

    internal static readonly string[] Kinds = ["next-token", "half-precision", "denoising", "fine-tuning", "autoencoder", "distillation"];

    internal static void TrainIn(string[] arguments) => Train(arguments[0], arguments[1]);

    internal static void Train(string kind, string folder)
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);
        switch (kind)
        {
            case "next-token":
                NextToken(folder, ScalarType.Float32);
                break;
            case "half-precision":
                NextToken(folder, ScalarType.BFloat16);
                break;
            case "denoising":
                Denoising(folder);
                break;
            case "fine-tuning":
                FineTuning(folder);
                break;
            case "autoencoder":
                Autoencoder(folder);
                break;
            default:
                Distillation(folder);
                break;
        }
    }

    private static void NextToken(string folder, ScalarType dtype)
    {
        using var data = TokenDataset.Create([new TextDocument("toy", string.Concat(Enumerable.Range(0, 300).Select(index => $"{index % 7} cats, ")))], ModelTokenizer.Bytes, Path.Combine(folder, "data.tokens"));
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 2, Dtype = dtype };
        builder.Options.ResidualDropoutRate = 0.1;
        using var model = builder.AddH3(h3 => h3.StateDim = 4).AddAttention(layers: [1]).Build();
        Run(new LanguageModelTask(model, data, 16, 2, 1), folder);
    }

    private static void Denoising(string folder)
    {
        using var network = Network(1);
        using var task = DenoisingTask.OnBatches(network, new LanguageModelDenoiser(network, 8), random => Rows(4, random), 1);
        Run(task, folder);
    }

    private static void FineTuning(string folder)
    {
        using var model = new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1 }.AddAttention().UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, 0.1)).Build();
        SupervisedExample[] examples = [.. Enumerable.Range(0, 11).Select(index => new SupervisedExample([1, index, 2 * index, 3], [false, true, true, true]))];
        Run(new FineTuner(model, examples, new FineTuningOptions { RowLength = 8, RowCount = 2 }), folder);
    }

    private static void Run(ILossTask task, string folder)
    {
        using var trainer = new Trainer(task, new TrainingOptions { Steps = Steps, LearningRate = 1e-3, AccumulationCount = 2, AverageDecay = 0.9, CheckpointFolder = Path.Combine(folder, "run"), CheckpointInterval = 1 });
        _ = trainer.Resume();
        trainer.Run(new Aloud());
        Write(folder, task.Model, trainer.Average!);
    }

    private static void Autoencoder(string folder)
    {
        using var random = new Generator(1);
        using var rows = randn([60, 8], generator: random);
        using var autoencoder = new TopKAutoencoder(new TopKOptions { ModelDim = 8, FeatureCount = 32, ActiveCount = 3 }, new ParameterFactory(random));
        using var order = new Generator(2);
        using var task = AutoencoderTask.OnBatches(autoencoder, ActivationEpochs.Of(rows, 8, 20, order), new() { Steps = Steps, LearningRate = 0.01, ResampleInterval = 7 });
        using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = Path.Combine(folder, "run"), CheckpointInterval = 1 });
        _ = trainer.Resume();
        trainer.Run(new Aloud());
        Write(folder, autoencoder, null);
    }

    private static void Distillation(string folder)
    {
        using var teacher = Network(1);
        using var student = Network(1);
        using var discriminator = Discriminator.FromTeacher(teacher);
        using var task = new DiDiInstructTask(student, new LanguageModelDenoiser(student, 8), new LanguageModelDenoiser(teacher, 8), discriminator, Rows, new DiDiInstructOptions
        {
            Steps = Steps - 4,
            DiscriminatorWarmup = 4,
            GroupCount = 2,
            GroupSize = 2,
        });
        using var trainer = new Trainer(task, new TrainingOptions { CheckpointFolder = Path.Combine(folder, "run"), CheckpointInterval = 1 });
        _ = trainer.Resume();
        trainer.Run(step => Say(step.Step));
        Write(folder, student, trainer.Average);
    }

    private static LanguageModel Network(ulong seed) =>
        DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 9, ModelDim = 16, LayerCount = 1, HeadCount = 2, ConditionDim = 8, DropoutRate = 0.1, Seed = seed });

    private static Tensor Rows(long count, Generator random) => randint(0, 8, [count, 6], dtype: ScalarType.Int64, generator: random);

    private static void Write(string folder, nn.Module module, WeightAverage? average)
    {
        var tensors = ModuleTensors.Of(module).ToDictionary();
        foreach (var (name, value) in average?.Tensors ?? new Dictionary<string, Tensor>())
            tensors[$"average.{name}"] = value;
        SafetensorsWriter.Save(Path.Combine(folder, Result), tensors);
    }

    private static void Say(long step)
    {
        Console.WriteLine(step);
        Console.Out.Flush();
    }

    private sealed class Aloud : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => Say(value.Step);
    }
}
