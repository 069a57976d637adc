using System.Diagnostics;
using Microsoft.Extensions.AI;

namespace LmKit.InstructionTuning;

/// <summary>The whole experiment for one seed: a world, a base model that knows it, a data set, three tuned arms, and the probe of all four.</summary>
/// <param name="settings">The size of the run.</param>
/// <param name="seed">Seed of world, texts, parameters and orders.</param>
/// <param name="folder">Where token file, data set and models are kept.</param>
public sealed class SeedRun(TuningSettings settings, long seed, string folder)
{
    private const int LongestExample = 96;
    private const int LeastWords = 8;
    private const int Resamples = 300;
    private static readonly DatasetArm[] Arms = [DatasetArm.Original, DatasetArm.Teacher, DatasetArm.ResponseOnly];

    private readonly World world = new(seed);

    /// <summary>How many examples the data set has, once it is made.</summary>
    public long ExampleCount { get; private set; }

    /// <summary>How a judge rates the arms, once it has.</summary>
    public PairwiseReport? Ratings { get; private set; }

    /// <summary>Runs it: base, control, teacher, responses only.</summary>
    /// <param name="progress">Told of every training step, with the arm's name.</param>
    /// <param name="cancellation">Observed between steps and tokens.</param>
    public async Task<IReadOnlyList<ArmResult>> ExecuteAsync(Action<string, TrainingStep> progress, CancellationToken cancellation)
    {
        _ = Directory.CreateDirectory(folder);
        var vocabulary = new Vocabulary(world);
        var probe = new Probe(world, vocabulary);
        using var model = Build("base-model.json");
        var clock = Stopwatch.StartNew();
        var loss = Pretrain(model, vocabulary, step => progress("base", step), cancellation);
        var results = new List<ArmResult> { await ResultAsync(null, model, vocabulary.Plain, loss, clock.Elapsed) };
        model.Save(Path.Combine(folder, "base"));
        var records = await RecordsAsync(cancellation);
        ExampleCount = records.Count;
        foreach (var arm in Arms)
        {
            clock.Restart();
            using var tuned = Build("tuned-model.json");
            LoraAdapters.LoadBase(tuned, model.state_dict());
            loss = Tune(tuned, Examples(records, arm, vocabulary), vocabulary, step => progress(arm.ToString(), step), cancellation);
            results.Add(await ResultAsync(arm, tuned, vocabulary.Chat, loss, clock.Elapsed));
            tuned.Save(Path.Combine(folder, arm.ToString()));
        }
        Ratings = await JudgeAsync(results, cancellation);
        return results;

        async Task<ArmResult> ResultAsync(DatasetArm? arm, ILanguageModel asked, IChatFormat format, double last, TimeSpan elapsed)
        {
            var replies = await probe.AskAsync(asked, format, cancellation);
            return new ArmResult(arm, seed, probe.Score(replies, await probe.ClozeAsync(asked, cancellation)), replies, last, elapsed);
        }
    }

    /// <summary>Half of each article, and the teacher's continuation of it.</summary>
    internal async Task<IReadOnlyList<DatasetRecord>> RecordsAsync(CancellationToken cancellation)
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

    private async Task<PairwiseReport> JudgeAsync(List<ArmResult> results, CancellationToken cancellation)
    {
        using var judge = new TopicJudge(world);
        JudgeQuestion[] questions = [.. results[0].Replies.Select(reply => new JudgeQuestion(reply.Question, reply.Question))];
        ModelAnswers[] answers = [.. results.Select(result => new ModelAnswers(result.Name, result.Replies.ToDictionary(reply => reply.Question, reply => reply.Text)))];
        return await new PairwiseJudge(judge, new JudgeOptions { Seed = seed, ResampleCount = Resamples }).RunAsync(questions, answers, Path.Combine(folder, "judge"), cancellation: cancellation);
    }

    private double Tune(LanguageModel model, IReadOnlyList<SupervisedExample> examples, Vocabulary vocabulary, Action<TrainingStep> progress, CancellationToken cancellation)
    {
        var options = new FineTuningOptions { RowLength = LongestExample, RowCount = TuningSettings.RowCount, IsPacked = false, Seed = seed, TrainedTokens = vocabulary.RoleTokens };
        return Train(new FineTuner(model, examples, options), new TrainingOptions
        {
            Steps = settings.TuningSteps,
            LearningRate = 1e-3,
            WarmupSteps = Math.Min(20, settings.TuningSteps / 4),
            FinalShare = 0,
            WeightDecay = 0,
        }, progress, cancellation);
    }

    private double Pretrain(LanguageModel model, Vocabulary vocabulary, Action<TrainingStep> progress, CancellationToken cancellation)
    {
        using var data = TokenDataset.Create(PretrainingTexts(vocabulary), vocabulary.Tokenizer, Path.Combine(folder, "texts.tokens"), cancellation);
        return Train(new LanguageModelTask(model, data, TuningSettings.PretrainingLength, TuningSettings.RowCount, seed), new TrainingOptions
        {
            Steps = settings.PretrainingSteps,
            LearningRate = 3e-3,
            WarmupSteps = Math.Min(100, settings.PretrainingSteps / 4),
            FinalShare = 0,
            Beta2 = 0.95,
            WeightDecay = 0.01,
        }, progress, cancellation);
    }

    private static double Train(ITrainingTask task, TrainingOptions options, Action<TrainingStep> progress, CancellationToken cancellation)
    {
        var last = double.NaN;
        using var trainer = new Trainer(task, options);
        trainer.Run(new StepReport(step => { last = step.Loss; progress(step); }), cancellation);
        return last;
    }

    private LanguageModel Build(string resource)
    {
        using var stream = typeof(SeedRun).Assembly.GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        var config = ModelConfig.FromJson(reader.ReadToEnd());
        var options = config.ReadOptions();
        options.Seed = (ulong)seed;
        return LanguageModel.Build(new ModelConfig(options, config.Components), new ComponentRegistry().AddTuning());
    }

    private static IReadOnlyList<SupervisedExample> Examples(IReadOnlyList<DatasetRecord> records, DatasetArm arm, Vocabulary vocabulary)
    {
        var encoder = new ExampleEncoder(vocabulary.Tokenizer, new ExampleOptions { MaxLength = LongestExample });
        return [.. records.Select(record =>
        {
            var (prompt, response, isTruncated) = record.Of(arm);
            return encoder.Encode(vocabulary.Chat.Encode([new ChatMessage(ChatRole.User, prompt)]), vocabulary.Tokenizer.Tokenizer.EncodeToIds(response), isTruncated);
        }).OfType<SupervisedExample>()];
    }

    // As many texts as the steps read, once.
    private IEnumerable<TextDocument> PretrainingTexts(Vocabulary vocabulary)
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

    private async IAsyncEnumerable<SourceDocument> Articles()
    {
        var texts = new WorldTexts(world, seed + 1_000_000);
        for (var index = 0; index < settings.ArticleCount; index++)
        {
            yield return new SourceDocument(index, $"article {index}", texts.Article(world.Tuned));
            await Task.CompletedTask;
        }
    }
}
