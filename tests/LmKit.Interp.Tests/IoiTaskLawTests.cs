using LmKit.Conformance;

namespace LmKit.Interp.Tests;

public sealed class IoiTaskLawTests : TrainingTaskConformance
{
    protected override TrainingSubject Create(TaskChange change)
    {
        var (dataset, vocabulary) = (Dataset(change == TaskChange.Data ? "park" : "lake"), 64);
        var builder = new LanguageModelBuilder { VocabSize = vocabulary, ModelDim = 16, LayerCount = 1 };
        builder.Options.ResidualDropoutRate = 0.1;
        var model = builder.AddAttention().Build();
        var task = new IoiTrainingTask(model, dataset, change == TaskChange.Window ? 5 : 4, change == TaskChange.Seed ? 2UL : 1);
        return new TrainingSubject(task, new TrainingOptions { Steps = 5, AverageDecay = 0.9, WeightDecay = change == TaskChange.Recipe ? 0.2 : 0.1 }, task, model);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "seed",
        TaskChange.Data => "data_key",
        TaskChange.Window => "batch_size",
        _ => "weight_decay",
    };

    private static IoiDataset Dataset(string place) => IoiDataset.WithOwnVocabulary(new IoiWords(
        [.. Enumerable.Range(0, 12).Select(index => $"Name{index}")], [place], ["drink"], ["Then A and B went to the PLACE . C gave a OBJECT to"])).Dataset;
}
