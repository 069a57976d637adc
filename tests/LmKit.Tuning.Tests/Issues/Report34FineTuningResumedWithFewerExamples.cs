using LmKit.Conformance;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public sealed class Report34FineTuningResumedWithFewerExamples
{
    [Theory]
    [InlineData(5, 0)]
    [InlineData(10, 1)]
    public void A_run_of_ten_examples_is_not_resumed_with_five_or_with_others(int count, int shift)
    {
        using var folder = new TemporaryFolder();
        using (var model = Model())
        using (var trainer = new Trainer(new FineTuner(model, Examples(10, 0), Rows), Options(folder.Path)))
        {
            trainer.Run();
            trainer.Save();
        }
        using var other = Model();
        using var resumed = new Trainer(new FineTuner(other, Examples(count, shift), Rows), Options(folder.Path));
        Assert.Contains(Assert.Throws<CheckpointMismatchException>(() => resumed.Resume()).WrongValue, pair => pair.Name == "data_key");
    }

    private static FineTuningOptions Rows => new() { RowLength = 4, RowCount = 1, IsPacked = false };

    private static TrainingOptions Options(string folder) => new() { Steps = 8, CheckpointFolder = folder };

    private static LanguageModel Model() =>
        new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1 }.AddAttention(x => x.HeadCount = 2).UseLora(lora => (lora.Rank, lora.DropoutRate) = (2, 0), sites: ["q_proj"]).Build();

    private static List<SupervisedExample> Examples(int count, int shift) =>
        [.. Enumerable.Range(0, count).Select(index => new SupervisedExample([1, 2, (3 + index + shift) % 32], [true, true, true]))];
}
