using LmKit;

namespace LmKit.Snippets;

internal static class TrainingSample
{
    internal static void Train(LanguageModelBuilder builder, string textFolder, string modelFolder)
    {
        var documents = TextDocuments.Read(textFolder);
        var vocabulary = new BytePairTrainer().Train(documents.Select(document => document.Text));
        using var data = TokenDataset.Create(documents, vocabulary.CreateTokenizer(), modelFolder + ".tokens");

        builder.VocabSize = data.VocabSize;
        using var model = builder.Build();
        using var trainer = new Trainer(
            new LanguageModelTask(model, data, length: 256, batchSize: 16, seed: 1),
            new TrainingOptions { Steps = 1_000, LearningRate = 2e-3, WarmupSteps = 50, CheckpointFolder = modelFolder + ".checkpoints", CheckpointInterval = 200 });
        trainer.Resume(); // continues where an interrupted run stopped; false when there is nothing yet
        trainer.Run(step => Console.WriteLine($"{step.Step}: {step.Loss:F3}"));

        model.Save(modelFolder, folder => TokenizerFiles.Save(folder, vocabulary));
    }

    internal static void Generate(string modelFolder)
    {
        using var model = LanguageModel.Load(modelFolder, kinds => kinds.AddSsm().AddStructured().AddLongContext());
        var generator = new TextGenerator(model.CreateSampler(), TokenizerFiles.Load(modelFolder));
        foreach (var piece in generator.Stream("The method", new GenerationOptions { MaxOutputTokens = 200, StopSequences = ["\n\n"] }))
            Console.Write(piece);
    }
}
