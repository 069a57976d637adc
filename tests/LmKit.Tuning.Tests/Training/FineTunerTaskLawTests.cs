using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

public sealed class FineTunerTaskLawTests : TrainingTaskConformance
{
    protected override TrainingSubject Create(TaskChange change)
    {
        var model = ToyModel.Builder().AddAttention().UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, 0.1)).Build();
        SupervisedExample[] examples = [.. Enumerable.Range(0, change == TaskChange.Data ? 7 : 8).Select(index => new SupervisedExample([1, 2, (3 + index) % 11, (index * 3) % 11], [true, true, true, false]))];
        var options = new FineTuningOptions
        {
            RowLength = change == TaskChange.Window ? 12 : 8,
            RowCount = 2,
            Seed = change == TaskChange.Seed ? 2 : 1,
            TrainedTokens = [3],
            TemplateId = change == TaskChange.Recipe ? "other" : "chatml",
        };
        return new TrainingSubject(new FineTuner(model, examples, options, examples), new TrainingOptions { Steps = 7, AverageDecay = 0.9 }, model);
    }

    protected override string? Difference(TaskChange change) => change switch
    {
        TaskChange.Seed => "seed",
        TaskChange.Data => "data_count",
        TaskChange.Window => "row_length",
        _ => "template",
    };
}
