using Microsoft.Extensions.AI;

namespace LmKit.Snippets;

/// <summary>The samples of the README of LmKit.Tuning.</summary>
internal static class TuningSample
{
    /// <summary>Adapters on a model, a few steps of tuning, and the adapter as a folder that PEFT reads.</summary>
    internal static void Tune(string folder)
    {
        using var model = new LanguageModelBuilder { VocabSize = 256, ModelDim = 64, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 4)
            .UseLora(lora => lora.Rank = 8, sites: ["q_proj", "v_proj"])
            .Build();
        var encoder = new ExampleEncoder(ModelTokenizer.Bytes, new ExampleOptions { MaxLength = 128 });
        var examples = new[] { encoder.Encode("The river ran past the mill", "and under the old bridge.")! };
        var task = new FineTuner(model, examples, new FineTuningOptions { RowLength = 128, RowCount = 1 });
        using (var trainer = new Trainer(task, new TrainingOptions { Steps = 10, LearningRate = 2e-4, WeightDecay = 0 }))
            trainer.Run();
        AdapterFile.Save(model, folder);
        using var plain = LoraAdapters.MergeAndUnload(model);
    }

    /// <summary>An adapter folder of a published model, under its own module names.</summary>
    internal static void TunePublished(string folder, string adapterFolder)
    {
        var (layout, config) = (PublishedLayout.Read(folder), AdapterFile.ReadConfig(adapterFolder));
        using var published = PublishedModel.Load(folder, change: builder => builder.UseLora(config, layout));
        AdapterFile.Load(published.Model, adapterFolder, layout);
        AdapterFile.Save(published.Model, "trained-adapter", layout);
    }

    /// <summary>Halves of documents and a teacher's continuations of them.</summary>
    internal static async Task MakeDataAsync(IChatClient teacher, string corpus, string folder)
    {
        var documents = new JsonlSource([corpus], field: "text"); // or ParquetSource, TextFileSource
        var options = new DatasetOptions
        {
            SampleCount = 10_000,
            Price = new TokenPrice { InputPerMillion = 0.5, OutputPerMillion = 1.5 },
            MaxCost = 20,
        };
        var dataset = new NonInstructionalDataset(teacher, options);
        Console.WriteLine(await dataset.EstimateCostAsync(documents));
        var report = await dataset.RunAsync(documents, folder);
        Console.WriteLine($"{report.KeptCount} examples in {report.DataFile}, {report.DroppedShare:P1} dropped as instructions or chat");
    }

    /// <summary>Two models compared by a judge.</summary>
    internal static async Task JudgeAsync(IChatClient judge, IReadOnlyList<JudgeQuestion> questions, ModelAnswers tuned, ModelAnswers other, string folder)
    {
        var report = await new PairwiseJudge(judge).RunAsync(questions, [tuned, other], folder);
        foreach (var model in report.Models)
            Console.WriteLine($"{model.Model}: {model.Elo:F0} {model.Interval}");
        Console.WriteLine($"the place alone decided {report.PositionBias:P0} of the pairs");
    }

    /// <summary>A tuned model as a chat client.</summary>
    internal static IChatClient Serve(ILanguageModel model, ModelTokenizer tokenizer) =>
        model.AsChatClient(tokenizer, new ChatTemplateFormat(ChatTemplate.Named("plain"), tokenizer));

    /// <summary>Ratings from games, with an interval.</summary>
    internal static void Rate(IReadOnlyList<Battle> battles)
    {
        var ratings = BradleyTerry.Fit(battles, modelCount: 3);
        var resampled = BootstrapInterval.Resamples(battles.Count, 200, seed: 1)
            .Select(drawn => BradleyTerry.Fit(drawn.Select(index => battles[index]), 3, l2: 1e-6).Elo[0]);
        Console.WriteLine($"{ratings.Elo[0]:F0}, {BootstrapInterval.Of(resampled)}");
    }
}
