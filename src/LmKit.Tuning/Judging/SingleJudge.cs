using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>Grades answers from 1 to 10 through a chat client.</summary>
/// <remarks>Journal, resume, retries and protection are those of <see cref="PairwiseJudge"/>.</remarks>
public sealed class SingleJudge
{
    private const string ReportName = "grades.json";

    private readonly JudgeOptions options;
    private readonly JudgeCalls calls;

    /// <summary>Prepares a judge.</summary>
    /// <param name="judge">Gives the grades; not disposed.</param>
    /// <param name="options">Criteria, requests, intervals.</param>
    /// <param name="time">The clock of timeouts and retries; the system's by default.</param>
    public SingleJudge(IChatClient judge, JudgeOptions? options = null, TimeProvider? time = null)
    {
        this.options = options ?? new JudgeOptions();
        calls = new JudgeCalls(judge, this.options, time, isPair: false);
    }

    /// <summary>Grades every answer, or goes on grading.</summary>
    /// <param name="questions">The questions; each turn of a conversation is a question of its own.</param>
    /// <param name="models">The models' answers.</param>
    /// <param name="folder">Where the journal <c>judgments.jsonl</c> and <c>grades.json</c> are kept.</param>
    /// <param name="progress">Told of every grade, on any thread.</param>
    /// <param name="cancellation">Stops the run; what is finished is kept.</param>
    /// <exception cref="ArgumentException">Two questions or models have one name, or there is nothing to grade.</exception>
    /// <exception cref="DatasetException">Another run writes to the folder, it belongs to another kind of run, such as a data set's, or
    /// its journal is damaged.</exception>
    /// <exception cref="ChatRequestException">The judge refuses this caller (401, 403); the run can go on later.</exception>
    /// <exception cref="RequestFailuresException">Too many judgments failed; the run can go on later.</exception>
    /// <exception cref="OperationCanceledException">The run was cancelled.</exception>
    public async Task<GradeReport> RunAsync(
        IReadOnlyList<JudgeQuestion> questions,
        IReadOnlyList<ModelAnswers> models,
        string folder,
        IProgress<Judgment>? progress = null,
        CancellationToken cancellation = default)
    {
        JudgeInput.Check(questions, models, leastModels: 1);
        var graded =
            from question in questions
            from model in models
            where model.Answers.ContainsKey(question.Id)
            select (question, (IReadOnlyList<ModelAnswers>)[model]);
        var judgments = await calls.RunAsync([.. graded], folder, progress, cancellation).ConfigureAwait(false);
        var report = GradeReport.Of(calls.Name, [.. models.Select(model => model.Model)], judgments, options, JudgeInput.MeanLengths(models));
        JudgeInput.Write(folder, ReportName, report);
        return report;
    }
}
