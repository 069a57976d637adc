namespace LmKit;

/// <summary>What comparing came to.</summary>
/// <param name="Judge">The judge.</param>
/// <param name="Models">The models, best first.</param>
/// <param name="IsRegularized">Whether ratings needed a penalty, since some model won, or lost, every game.</param>
/// <param name="PairCount">Pairs of which both games have a verdict.</param>
/// <param name="DroppedPairCount">Pairs left out since a game has none.</param>
/// <param name="PositionBias">Share of the pairs whose winner is the one shown in the same place both times.</param>
/// <param name="TieRate">Share of the games that end in a tie.</param>
/// <param name="InvalidRate">Share of games without a readable verdict.</param>
/// <param name="FailedCount">Games that got no answer.</param>
/// <param name="InjectionCount">Games in which an answer spoke to the judge.</param>
/// <param name="InputTokens">Tokens read.</param>
/// <param name="OutputTokens">Tokens written.</param>
public sealed record PairwiseReport(
    string Judge,
    IReadOnlyList<RatedModel> Models,
    bool IsRegularized,
    int PairCount,
    int DroppedPairCount,
    double PositionBias,
    double TieRate,
    double InvalidRate,
    int FailedCount,
    int InjectionCount,
    long InputTokens,
    long OutputTokens)
{
    internal static PairwiseReport Of(string judge, IReadOnlyList<string> models, IReadOnlyList<Judgment> judgments, JudgeOptions options, IReadOnlyDictionary<string, double> lengths)
    {
        var table = new GameTable(models, judgments);
        var (ratings, intervals) = table.Rate(options);
        var rated = models.Index().Select(model =>
        {
            var scores = table.ScoresOf(model.Index);
            return new RatedModel(model.Item, ratings.Elo[model.Index], intervals?[model.Index], scores.Mean, scores.Interval(options), scores.ByCategory, lengths[model.Item]);
        });
        var verdicts = judgments.Where(judgment => judgment.Verdict is not null).ToArray();
        return new PairwiseReport(
            judge,
            [.. rated.OrderByDescending(model => model.Elo)],
            ratings.IsRegularized,
            table.PairCount,
            table.DroppedPairCount,
            table.PositionBias,
            verdicts.Length == 0 ? 0 : verdicts.Count(judgment => judgment.Verdict == "A=B") / (double)verdicts.Length,
            judgments.Count(judgment => judgment.Status == "invalid") / (double)judgments.Count,
            judgments.Count(judgment => judgment.Status == "failed"),
            judgments.Count(judgment => judgment.Flags.Any(flag => flag.StartsWith("injection", StringComparison.Ordinal))),
            judgments.Sum(judgment => judgment.InputTokens),
            judgments.Sum(judgment => judgment.OutputTokens));
    }
}
