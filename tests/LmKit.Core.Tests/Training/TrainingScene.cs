using System.Runtime.CompilerServices;
using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

public abstract class TrainingScene : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("lmkit-trainer-").FullName;

    internal TokenDataset Data { get; }

    internal string Checkpoints => Path.Combine(folder, "checkpoints");

    protected TrainingScene()
    {
        // Its initialiser sets the number of threads, which belongs to what a run comes to: not in the midst of a test.
        RuntimeHelpers.RunModuleConstructor(typeof(LiveTensors).Module.ModuleHandle);
        var text = string.Concat(Enumerable.Range(0, 400).Select(index => $"the {index % 7} cats and {index % 5} dogs. "));
        Data = TokenDataset.Create([new TextDocument("animals", text)], ModelTokenizer.Bytes, Path.Combine(folder, "data.tokens"));
    }

    public void Dispose()
    {
        Data.Dispose();
        Directory.Delete(folder, recursive: true);
        GC.SuppressFinalize(this);
    }

    internal static LanguageModel Model(ScalarType dtype = ScalarType.Float32, double dropout = 0)
    {
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 24, LayerCount = 2, Dtype = dtype };
        builder.Options.ResidualDropoutRate = dropout;
        return builder.AddAttention(attention => attention.HeadCount = 2).AddRotary().Build();
    }

    internal TrainingOptions Options(long steps, long checkpointInterval = 0, long evaluationInterval = 0) => new()
    {
        Steps = steps,
        LearningRate = 1e-2,
        WarmupSteps = 2,
        AverageDecay = 0.99,
        EvaluationInterval = evaluationInterval,
        CheckpointFolder = Checkpoints,
        CheckpointInterval = checkpointInterval,
    };

    internal static List<TrainingStep> Run(Trainer trainer)
    {
        var steps = new List<TrainingStep>();
        trainer.Run(new Synchronous(steps.Add));
        return steps;
    }

    internal sealed class Synchronous(Action<TrainingStep> report) : IProgress<TrainingStep>
    {
        public void Report(TrainingStep value) => report(value);
    }
}
