using System.Diagnostics;

namespace LmKit.InstructionTuning;

/// <summary>The whole experiment for one seed: a world, a base model that knows it, and each recipe on that model.</summary>
/// <param name="settings">The size of the run.</param>
/// <param name="recipes">The recipes.</param>
/// <param name="seed">Seed of world, texts, parameters and orders.</param>
/// <param name="folder">Where token file, data sets and models are kept.</param>
public sealed class SeedRun(TuningSettings settings, IReadOnlyList<TuningRecipe> recipes, long seed, string folder)
{
    private readonly World world = new(seed);

    /// <summary>Runs it: the base model, then the recipes.</summary>
    /// <param name="progress">Told of every training step, with the arm's name.</param>
    /// <param name="cancellation">Observed between steps and tokens.</param>
    public async Task<SeedResult> ExecuteAsync(Action<string, TrainingStep> progress, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        _ = Directory.CreateDirectory(folder);
        var vocabulary = new Vocabulary(world);
        using var model = Training.Build(seed);
        var loss = Pretrain(model, vocabulary, step => progress("base", step), cancellation);
        model.Save(Path.Combine(folder, "base"));
        var before = await new Probe(world, vocabulary).RunAsync(null, seed, model, vocabulary.Plain, loss, cancellation);
        var results = new List<RecipeResult>();
        foreach (var recipe in recipes)
            results.Add(await new RecipeRun(world, recipe, settings, seed, Path.Combine(folder, recipe.Name)).ExecuteAsync(model, before, progress, cancellation));
        return new SeedResult(seed, before, results, clock.Elapsed);
    }

    private double Pretrain(LanguageModel model, Vocabulary vocabulary, Action<TrainingStep> progress, CancellationToken cancellation)
    {
        using var data = TokenDataset.Create(Texts(vocabulary), vocabulary.Tokenizer, Path.Combine(folder, "texts.tokens"), cancellation);
        return Training.Run(new LanguageModelTask(model, data, TuningSettings.PretrainingLength, TuningSettings.RowCount, seed), new TrainingOptions
        {
            Steps = settings.PretrainingSteps,
            LearningRate = 3e-3,
            WarmupSteps = Math.Min(100, settings.PretrainingSteps / 4),
            FinalShare = 0,
            Beta2 = 0.95,
            WeightDecay = 0.01,
        }, progress, cancellation);
    }

    // As many texts as the steps read, once.
    private IEnumerable<TextDocument> Texts(Vocabulary vocabulary)
    {
        var texts = new WorldTexts(world, seed);
        var left = (settings.PretrainingSteps + 1) * TuningSettings.RowCount * TuningSettings.PretrainingLength;
        for (var index = 0; left > 0; index++)
        {
            var text = texts.Next();
            left -= vocabulary.Tokenizer.Tokenizer.CountTokens(text) + 1;
            yield return new TextDocument($"text {index}", text);
        }
    }
}
