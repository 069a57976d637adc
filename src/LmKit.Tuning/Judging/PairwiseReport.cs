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

/// <summary>One model's rating with its interval.</summary>
/// <param name="Model">The model.</param>
/// <param name="Elo">On the Elo scale, the mean of all models at 1000.</param>
/// <param name="Interval">From resamples of whole questions; null where nothing valid was judged.</param>
/// <param name="WinRate">Share of its points in all its games; a strong verdict counts three times. Null where nothing valid was judged.</param>
/// <param name="WinRateInterval">Its interval.</param>
/// <param name="Categories">Win rates by category.</param>
/// <param name="MeanLength">Mean length of its answers in characters.</param>
public sealed record RatedModel(
    string Model,
    double Elo,
    BootstrapInterval? Interval,
    double? WinRate,
    BootstrapInterval? WinRateInterval,
    IReadOnlyDictionary<string, double> Categories,
    double MeanLength);

/// <summary>Judged games, paired by question and models: battles to rate, scores of a model, and how often the place won.</summary>
internal sealed class GameTable
{
    private readonly int modelCount;
    private readonly List<(int Question, string Name, string Category, int First, int Second, IReadOnlyList<double> Scores)> pairs = [];
    private readonly int questionCount;
    private readonly int positionWins;

    internal GameTable(IReadOnlyList<string> models, IReadOnlyList<Judgment> judgments)
    {
        modelCount = models.Count;
        var places = models.Index().ToDictionary(entry => entry.Item, entry => entry.Index, StringComparer.Ordinal);
        var questions = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var games in judgments.GroupBy(game => (game.Question, Low: Math.Min(places[game.ModelA], places[game.ModelB]), High: Math.Max(places[game.ModelA], places[game.ModelB]))))
        {
            // The game that shows the later model as B, and the one that shows it as A: scores are the later model's.
            var first = games.Single(game => places[game.ModelA] == games.Key.Low);
            var second = games.Single(game => places[game.ModelA] == games.Key.High);
            var scores = ArenaScores.Of(first.Verdict, second.Verdict);
            if (scores.Count == 0)
            {
                DroppedPairCount++;
                continue;
            }
            positionWins += Side(first.Verdict!) != 0 && Side(first.Verdict!) == Side(second.Verdict!) ? 1 : 0;
            _ = questions.TryAdd(games.Key.Question, questions.Count);
            pairs.Add((questions[games.Key.Question], games.Key.Question, first.Category, games.Key.High, games.Key.Low, scores));
        }
        questionCount = questions.Count;
    }

    internal int PairCount => pairs.Count;

    internal int DroppedPairCount { get; }

    internal double PositionBias => pairs.Count == 0 ? 0 : positionWins / (double)pairs.Count;

    /// <summary>The scores of a model in all its games.</summary>
    internal QuestionScores ScoresOf(int model) => new([.. pairs
        .Where(pair => pair.First == model || pair.Second == model)
        .SelectMany(pair => pair.Scores.Select(score => (pair.Name, pair.Category, pair.First == model ? score : 1 - score)))]);

    /// <summary>Ratings of all games, and their intervals from resamples of whole questions; no intervals without games.</summary>
    internal (Ratings Ratings, IReadOnlyList<BootstrapInterval>? Intervals) Rate(JudgeOptions options)
    {
        if (pairs.Count == 0)
            return (new Ratings(new double[modelCount], false, 0), null);
        var byQuestion = pairs.ToLookup(pair => pair.Question, pair => pair);
        var all = BradleyTerry.Fit(Battles(Enumerable.Range(0, questionCount)), modelCount);
        // A resample may separate the models where the whole does not; the penalty it then needs is the same for all.
        double[][] resampled = [.. BootstrapInterval.Resamples(questionCount, options.ResampleCount, unchecked((ulong)options.Seed))
            .Select(drawn => BradleyTerry.Fit(Battles(drawn), modelCount).Elo.ToArray())];
        return (all, [.. Enumerable.Range(0, modelCount).Select(model => BootstrapInterval.Of(resampled.Select(elo => elo[model]), options.Level))]);

        IEnumerable<Battle> Battles(IEnumerable<int> questions) => questions
            .SelectMany(question => byQuestion[question])
            .SelectMany(pair => pair.Scores.Select(score => (pair.First, pair.Second, score)))
            .CountBy(game => game)
            .Select(entry => new Battle(entry.Key.First, entry.Key.Second, entry.Key.score, entry.Value));
    }

    private static int Side(string verdict) => verdict[1] == '=' ? 0 : verdict.StartsWith("A>", StringComparison.Ordinal) ? 1 : -1;
}
