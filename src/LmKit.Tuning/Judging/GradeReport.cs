namespace LmKit;

/// <summary>What grading came to.</summary>
/// <param name="Judge">The judge.</param>
/// <param name="Scores">Mean grades, one for each model; grades that could not be read are left out.</param>
/// <param name="InvalidRate">Share of judgments without a readable grade.</param>
/// <param name="FailedCount">Judgments that got no answer.</param>
/// <param name="InjectionCount">Answers that spoke to the judge.</param>
/// <param name="InputTokens">Tokens read.</param>
/// <param name="OutputTokens">Tokens written.</param>
public sealed record GradeReport(string Judge, IReadOnlyList<ModelScore> Scores, double InvalidRate, int FailedCount, int InjectionCount, long InputTokens, long OutputTokens)
{
    internal static GradeReport Of(string judge, IReadOnlyList<string> models, IReadOnlyList<Judgment> judgments, JudgeOptions options, IReadOnlyDictionary<string, double> lengths)
    {
        return new GradeReport(
            judge,
            [.. models.Select(Score)],
            judgments.Count(judgment => judgment.Status == "invalid") / (double)judgments.Count,
            judgments.Count(judgment => judgment.Status == "failed"),
            judgments.Count(judgment => judgment.Flags.Contains("injection_a")),
            judgments.Sum(judgment => judgment.InputTokens),
            judgments.Sum(judgment => judgment.OutputTokens));

        ModelScore Score(string model)
        {
            Judgment[] own = [.. judgments.Where(judgment => judgment.ModelA == model && judgment.Grade is not null)];
            var values = new QuestionScores([.. own.Select(judgment => (judgment.Question, judgment.Category, judgment.Grade!.Value))]);
            return new ModelScore(model, values.Mean, values.Interval(options), own.Length, values.ByCategory, lengths[model]);
        }
    }
}
