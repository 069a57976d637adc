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

/// <summary>One model's score with its interval.</summary>
/// <param name="Model">The model.</param>
/// <param name="Score">The score; null where nothing valid was judged.</param>
/// <param name="Interval">From resamples of whole questions; null where nothing valid was judged.</param>
/// <param name="Count">Valid judgments behind it.</param>
/// <param name="Categories">Scores by category.</param>
/// <param name="MeanLength">Mean length of its answers in characters.</param>
public sealed record ModelScore(string Model, double? Score, BootstrapInterval? Interval, int Count, IReadOnlyDictionary<string, double> Categories, double MeanLength);

/// <summary>Scores with their questions: means, by category, and with an interval from resamples of whole questions.</summary>
internal sealed class QuestionScores(IReadOnlyList<(string Question, string Category, double Score)> scores)
{
    internal double? Mean => scores.Count == 0 ? null : scores.Average(one => one.Score);

    internal IReadOnlyDictionary<string, double> ByCategory =>
        scores.GroupBy(one => one.Category).OrderBy(group => group.Key, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Average(one => one.Score));

    internal BootstrapInterval? Interval(JudgeOptions options)
    {
        if (scores.Count == 0)
            return null;
        var numbers = scores.Select(one => one.Question).Distinct().Index().ToDictionary(entry => entry.Item, entry => entry.Index);
        var resamples = BootstrapInterval.Resamples(numbers.Count, options.ResampleCount, unchecked((ulong)options.Seed));
        return BootstrapInterval.Of(BootstrapInterval.ByQuestion([.. scores.Select(one => one.Score)], [.. scores.Select(one => numbers[one.Question])], resamples), options.Level);
    }
}
