using LmKit.Conformance;

namespace LmKit.Interp.Tests;

[NoTensorLeak]
public sealed class IoiResumeTests
{
    [Theory]
    [InlineData(false, 4, 1UL, "data_key")]
    [InlineData(true, 5, 1UL, "batch_size: expected 5, found 4")]
    [InlineData(true, 4, 2UL, "seed: expected 2, found 1")]
    [InlineData(true, 4, 1UL, null)]
    public void Other_words_batches_or_seeds_are_refused(bool hasSameWords, int batchSize, ulong seed, string? difference)
    {
        using var folder = new TemporaryFolder();
        using var model = Model();
        using (var task = new IoiTrainingTask(model, Dataset("lake"), 4, 1))
        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 2, CheckpointFolder = folder.Path }))
        {
            trainer.Run();
            trainer.Save();
        }
        using var other = new IoiTrainingTask(model, Dataset(hasSameWords ? "lake" : "park"), batchSize, seed);
        using var resumed = new Trainer(other, new TrainingOptions { Steps = 2, CheckpointFolder = folder.Path });
        if (difference is null)
            Assert.True(resumed.Resume());
        else
            Assert.Contains(difference, Assert.Throws<CheckpointMismatchException>(() => resumed.Resume()).Message, StringComparison.Ordinal);
    }

    private static IoiDataset Dataset(string place) => IoiDataset.WithOwnVocabulary(new IoiWords(
        [.. Enumerable.Range(0, 12).Select(index => $"Name{index}")], [place], ["drink"], ["Then A and B went to the PLACE . C gave a OBJECT to"])).Dataset;

    private static LanguageModel Model() => new LanguageModelBuilder { VocabSize = 64, ModelDim = 16, LayerCount = 1 }.AddAttention().Build();
}
