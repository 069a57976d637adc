using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Compares models answer by answer through a chat client, each pair in both orders.</summary>
/// <remarks>Every judgment is journalled at once, so a run that stops goes on where it stood. Answers reach the judge as marked
/// material, verdicts count only with a number that no answer can know.</remarks>
public sealed class PairwiseJudge
{
    private const string ReportName = "pairwise.json";

    private readonly JudgeOptions options;
    private readonly JudgeCalls calls;

    /// <summary>Prepares a judge.</summary>
    /// <param name="judge">Gives the verdicts; not disposed.</param>
    /// <param name="options">Criteria, requests, intervals.</param>
    /// <param name="time">The clock of timeouts and retries; the system's by default.</param>
    public PairwiseJudge(IChatClient judge, JudgeOptions? options = null, TimeProvider? time = null)
    {
        this.options = options ?? new JudgeOptions();
        calls = new JudgeCalls(judge, this.options, time, isPair: true);
    }

    /// <summary>Judges every pair of models on every question that both answered, or goes on judging.</summary>
    /// <param name="questions">The questions.</param>
    /// <param name="models">The models' answers, at least two.</param>
    /// <param name="folder">Where the journal <c>judgments.jsonl</c> and <c>pairwise.json</c> are kept.</param>
    /// <param name="baseline">Compares the others with this model only; null compares all with all.</param>
    /// <param name="progress">Told of every judgment, on any thread.</param>
    /// <param name="cancellation">Stops the run; what is finished is kept.</param>
    /// <exception cref="ArgumentException">Two questions or models have one name, or there is nothing to compare.</exception>
    /// <exception cref="DatasetException">Another run writes to the folder, it belongs to another kind of run, such as a data set's, or
    /// its journal is damaged.</exception>
    /// <exception cref="ChatRequestException">The judge refuses this caller (401, 403); the run can go on later.</exception>
    /// <exception cref="RequestFailuresException">Too many judgments failed; the run can go on later.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public async Task<PairwiseReport> RunAsync(
        IReadOnlyList<JudgeQuestion> questions,
        IReadOnlyList<ModelAnswers> models,
        string folder,
        string? baseline = null,
        IProgress<Judgment>? progress = null,
        CancellationToken cancellation = default)
    {
        JudgeInput.Check(questions, models, leastModels: 2);
        if (baseline is not null && models.All(model => model.Model != baseline))
            throw new ArgumentException($"The baseline '{baseline}' is none of {string.Join(", ", models.Select(model => model.Model))}.", nameof(baseline));
        (JudgeQuestion, IReadOnlyList<ModelAnswers>)[] games = [..
            from question in questions
            from first in models.Index()
            from second in models.Index()
            where first.Index < second.Index && (baseline is null || first.Item.Model == baseline || second.Item.Model == baseline)
            where first.Item.Answers.ContainsKey(question.Id) && second.Item.Answers.ContainsKey(question.Id)
            from order in new IReadOnlyList<ModelAnswers>[] { [first.Item, second.Item], [second.Item, first.Item] }
            select (question, order)];
        if (games.Length == 0)
            throw new ArgumentException($"There is nothing to compare: no question is answered by '{baseline}' and by another model.", nameof(models));
        var judgments = await calls.RunAsync(games, folder, progress, cancellation).ConfigureAwait(false);
        var report = PairwiseReport.Of(calls.Name, [.. models.Select(model => model.Model)], judgments, options, JudgeInput.MeanLengths(models));
        JudgeInput.Write(folder, ReportName, report);
        return report;
    }
}
