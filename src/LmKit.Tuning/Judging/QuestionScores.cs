namespace LmKit;

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
