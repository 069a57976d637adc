using LmKit.Conformance;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Next-token training keeps the laws of a task, with dropout, held-out data and accumulation.</summary>
public sealed class NextTokenTaskLawTests : NextTokenTaskLaws
{
    protected override ScalarType Dtype => ScalarType.Float32;
}

/// <summary>So it does with weights in bfloat16, whose float32 copies are a part of their own.</summary>
public sealed class BFloat16TaskLawTests : NextTokenTaskLaws
{
    protected override ScalarType Dtype => ScalarType.BFloat16;
}

public abstract class NextTokenTaskLaws : TrainingTaskConformance
{
    private readonly TemporaryFolder folder = new();

    protected abstract ScalarType Dtype { get; }

    protected override TrainingSubject Create(TaskChange change)
    {
        var data = Data(change == TaskChange.Data ? "dogs" : "cats");
        var builder = new LanguageModelBuilder { VocabSize = 256, ModelDim = 16, LayerCount = 1, Dtype = Dtype };
        builder.Options.ResidualDropoutRate = 0.1;
        var model = builder.AddAttention(attention => attention.HeadCount = 2).Build();
        var task = new LanguageModelTask(model, data, change == TaskChange.Window ? 12 : 16, 2, change == TaskChange.Seed ? 2 : 1, data);
        var options = new TrainingOptions
        {
            Steps = 6,
            AccumulationCount = 2,
            LearningRate = change == TaskChange.Recipe ? 2e-2 : 1e-2,
            WarmupSteps = 2,
            AverageDecay = 0.9,
        };
        return new TrainingSubject(task, options, model, data);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "seed",
        TaskChange.Data => "data_key",
        TaskChange.Window => "window_length",
        _ => "learning_rate",
    };

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        folder.Dispose();
    }

    private TokenDataset Data(string animal)
    {
        var path = folder[animal];
        return TokenDataset.Create([new TextDocument(animal, string.Concat(Enumerable.Range(0, 12).Select(index => $"{index % 7} {animal}. ")))], ModelTokenizer.Bytes, path);
    }
}
