using Microsoft.Extensions.AI;

namespace LmKit.InstructionTuning;

/// <summary>One recipe on one base model: a data set, three tuned arms, the probe of each, and a judge over all.</summary>
/// <param name="world">The world.</param>
/// <param name="recipe">The recipe.</param>
/// <param name="settings">The size of the run.</param>
/// <param name="seed">Seed of articles, adapters and orders.</param>
/// <param name="folder">Where data set, models and judgments are kept.</param>
public sealed class RecipeRun(World world, TuningRecipe recipe, TuningSettings settings, long seed, string folder)
{
    private const int LongestExample = 96;
    private const int LeastWords = 8;
    private const int Resamples = 300;
    private const long ArticleSeed = 1_000_000;
    private static readonly DatasetArm[] Arms = [DatasetArm.Original, DatasetArm.Teacher, DatasetArm.ResponseOnly];

    private readonly Vocabulary vocabulary = new(world);

    /// <summary>Runs it: control, teacher, responses only.</summary>
    /// <param name="start">The base model.</param>
    /// <param name="before">How the base model did.</param>
    /// <param name="progress">Told of every training step, with the arm's name.</param>
    /// <param name="cancellation">Observed between steps and tokens.</param>
    public async Task<RecipeResult> ExecuteAsync(LanguageModel start, ArmResult before, Action<string, TrainingStep> progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(start);
        var records = await RecordsAsync(cancellation);
        var results = new List<ArmResult>();
        foreach (var arm in Arms)
            results.Add(await TuneAsync(start, records, arm, progress, cancellation));
        return new RecipeResult(recipe, results, FactCounts(records), await JudgeAsync([before, .. results], cancellation));
    }

    /// <summary>How many examples' responses state one, two and three facts.</summary>
    public static IReadOnlyList<int> FactCounts(IReadOnlyList<DatasetRecord> records) =>
        [.. Enumerable.Range(1, WorldTeacher.MostFacts).Select(count => records.Count(record => WorldTeacher.FactsOf(record.Response) == count))];

    /// <summary>Half of each article, and the teacher's continuation of it.</summary>
    public async Task<IReadOnlyList<DatasetRecord>> RecordsAsync(CancellationToken cancellation)
    {
        using var teacher = new WorldTeacher(world);
        var options = new DatasetOptions
        {
            Seed = seed,
            MinWords = LeastWords,
            Split = { SnapsToSentence = true },
            PromptPatterns = { ["question"] = @"\?" },
        };
        var report = await new NonInstructionalDataset(teacher, options).RunAsync(Articles(), Path.Combine(folder, "dataset"), cancellation: cancellation);
        return [.. DatasetRecord.ReadAll(report.DataFile)];
    }

    /// <summary>Tunes a copy of the base model on one arm, and probes it.</summary>
    public async Task<ArmResult> TuneAsync(LanguageModel start, IReadOnlyList<DatasetRecord> records, DatasetArm arm, Action<string, TrainingStep> progress, CancellationToken cancellation)
    {
        using var tuned = Training.Build(seed, recipe.Adapter);
        LoraAdapters.LoadBase(tuned, start.state_dict());
        var options = new FineTuningOptions { RowLength = LongestExample, RowCount = TuningSettings.RowCount, IsPacked = false, Seed = seed, TrainedTokens = vocabulary.RoleTokens };
        var steps = settings.StepsOf(recipe);
        var loss = Training.Run(new FineTuner(tuned, Examples(records, arm), options), new TrainingOptions
        {
            Steps = steps,
            LearningRate = 1e-3,
            WarmupSteps = Math.Min(20, steps / 4),
            FinalShare = 0,
            WeightDecay = 0,
        }, step => progress($"{recipe.Name} {arm}", step), cancellation);
        tuned.Save(Path.Combine(folder, arm.ToString()));
        return await new Probe(world, vocabulary).RunAsync(arm, seed, tuned, vocabulary.Chat, loss, cancellation);
    }

    private async Task<PairwiseReport> JudgeAsync(IReadOnlyList<ArmResult> results, CancellationToken cancellation)
    {
        using var judge = new TopicJudge(world);
        JudgeQuestion[] questions = [.. results[0].Replies.Select(reply => new JudgeQuestion(reply.Question, reply.Question))];
        ModelAnswers[] answers = [.. results.Select(result => new ModelAnswers(result.Name, result.Replies.ToDictionary(reply => reply.Question, reply => reply.Text)))];
        return await new PairwiseJudge(judge, new JudgeOptions { Seed = seed, ResampleCount = Resamples }).RunAsync(questions, answers, Path.Combine(folder, "judge"), cancellation: cancellation);
    }

    private IReadOnlyList<SupervisedExample> Examples(IReadOnlyList<DatasetRecord> records, DatasetArm arm)
    {
        var encoder = new ExampleEncoder(vocabulary.Tokenizer, new ExampleOptions { MaxLength = LongestExample });
        return [.. records.Select(record =>
        {
            var (prompt, response, isTruncated) = record.Of(arm);
            return encoder.Encode(vocabulary.Chat.Encode([new ChatMessage(ChatRole.User, prompt)]), vocabulary.Tokenizer.Tokenizer.EncodeToIds(response), isTruncated);
        }).OfType<SupervisedExample>()];
    }

    private async IAsyncEnumerable<SourceDocument> Articles()
    {
        var texts = new WorldTexts(world, seed + ArticleSeed);
        for (var index = 0; index < settings.ArticleCount; index++)
        {
            yield return new SourceDocument(index, $"article {index}", recipe.VariesFacts ? texts.VariedArticle(world.Tuned) : texts.Article(world.Tuned));
            await Task.CompletedTask;
        }
    }
}
