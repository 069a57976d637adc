using Microsoft.Extensions.AI;

namespace LmKit.Tuning.Tests;

public class RunFolderTests
{
    private static readonly JudgeQuestion[] Questions = [new("q", "one?")];

    private static readonly ModelAnswers[] Models = [Answers("a", "1"), Answers("b", "22")];

    [Fact]
    public async Task A_judge_and_a_data_set_refuse_each_others_folder_and_touch_nothing_in_it()
    {
        using var folder = new TemporaryFolder();
        await new NonInstructionalDataset(new ScriptedTeacher(), Options()).RunAsync(Documents(), folder["d"]);
        await new PairwiseJudge(new ScriptedJudge((_, _, _) => "A>B"), new JudgeOptions { ResampleCount = 1 }).RunAsync(Questions, Models, folder["j"]);
        var (data, judged) = (Content(folder["d"]), Content(folder["j"]));

        foreach (var judge in new Func<Task>[]
        {
            () => new PairwiseJudge(new ScriptedJudge((_, _, _) => "A>B")).RunAsync(Questions, Models, folder["d"]),
            () => new SingleJudge(new ScriptedJudge((_, _, _) => "5")).RunAsync(Questions, Models, folder["d"]),
        })
        {
            Assert.Contains("'dataset', not 'judgments'", (await Assert.ThrowsAsync<DatasetException>(judge)).Message, StringComparison.Ordinal);
        }
        Assert.Contains("'judgments', not 'dataset'", (await Assert.ThrowsAsync<DatasetException>(() => new NonInstructionalDataset(new ScriptedTeacher(), Options()).RunAsync(Documents(), folder["j"]))).Message, StringComparison.Ordinal);

        Assert.Equal(data, Content(folder["d"]));
        Assert.Equal(judged, Content(folder["j"]));
    }

    [Fact]
    public async Task Pairs_and_grades_of_one_folder_have_a_report_each()
    {
        using var folder = new TemporaryFolder();
        await new PairwiseJudge(new ScriptedJudge((_, _, _) => "A>B"), new JudgeOptions { ResampleCount = 1 }).RunAsync(Questions, Models, folder["j"]);
        await new SingleJudge(new ScriptedJudge((_, _, _) => "5"), new JudgeOptions { ResampleCount = 1 }).RunAsync(Questions, Models, folder["j"]);

        Assert.True(File.Exists(Path.Combine(folder["j"], "pairwise.json")));
        Assert.True(File.Exists(Path.Combine(folder["j"], "grades.json")));
        Assert.Equal(4, Judgment.ReadAll(folder["j"]).Count);
    }

    [Fact]
    public async Task The_manifest_is_checked_before_the_journal_is_mended()
    {
        using var folder = new TemporaryFolder();
        await new NonInstructionalDataset(new ScriptedTeacher(), Options()).RunAsync(Documents(), folder["d"]);
        var journal = Path.Combine(folder["d"], "journal.jsonl");
        await File.AppendAllTextAsync(journal, "{\"half");
        var before = await File.ReadAllTextAsync(journal);

        await Assert.ThrowsAsync<DatasetException>(() => new NonInstructionalDataset(new ScriptedTeacher(), new DatasetOptions { MinWords = 4, Seed = 1 }).RunAsync(Documents(), folder["d"]));
        Assert.Equal(before, await File.ReadAllTextAsync(journal));

        File.Delete(Path.Combine(folder["d"], "manifest.json"));
        Assert.Contains("without a manifest", (await Assert.ThrowsAsync<DatasetException>(() => new NonInstructionalDataset(new ScriptedTeacher(), Options()).RunAsync(Documents(), folder["d"]))).Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllTextAsync(journal));
    }

    [Fact]
    public async Task Another_teacher_detector_tokenizer_or_evaluation_is_refused_by_name()
    {
        using var folder = new TemporaryFolder();
        await Run("first", null, null, null);
        await Run("first", null, null, null);

        await Refused("another teacher: {\"provider\":\"p\",\"model\":\"first\"}, now {\"provider\":\"p\",\"model\":\"second\"}", () => Run("second", null, null, null));
        await Refused("another detector: null", () => Run("first", new ScriptedTeacher(), null, null));
        await Refused("other evaluation data: null", () => Run("first", null, new EvaluationOverlap(["a b c d e f g h i j k l m"]), null));
        await Refused("another tokenizer: null", () => Run("first", null, null, ModelTokenizer.Bytes));
        Assert.NotEqual(new EvaluationOverlap(["a b c d e f g h i j k l m"]).Hash, new EvaluationOverlap(["b b c d e f g h i j k l m"]).Hash);

        Task<DatasetReport> Run(string model, IChatClient? detector, EvaluationOverlap? evaluation, ModelTokenizer? tokenizer) =>
            new NonInstructionalDataset(new NamedTeacher(model), Options()) { Detector = detector, Evaluation = evaluation, Tokenizer = tokenizer?.Tokenizer }.RunAsync(Documents(), folder["d"]);

        static async Task Refused(string part, Func<Task> run) => Assert.Contains(part, (await Assert.ThrowsAsync<DatasetException>(run)).Message, StringComparison.Ordinal);
    }

    private static DatasetOptions Options() => new() { MinWords = 4 };

    private static ModelAnswers Answers(string model, string answer) => new(model, new Dictionary<string, string> { ["q"] = answer });

    private static string[] Content(string folder) => [.. Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal).Select(path => $"{path}\n{File.ReadAllText(path)}")];

    private static async IAsyncEnumerable<SourceDocument> Documents()
    {
        await Task.Yield();
        yield return new SourceDocument(0, "d0", "one two three four");
    }

    private sealed class NamedTeacher(string model) : DelegatingChatClient(new ScriptedTeacher())
    {
        public override object? GetService(Type serviceType, object? serviceKey = null) =>
            serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("p", null, model) : base.GetService(serviceType, serviceKey);
    }
}
