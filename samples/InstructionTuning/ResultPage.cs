using System.Globalization;
using System.Text;

namespace LmKit.InstructionTuning;

/// <summary>The results as a page of Markdown.</summary>
public static class ResultPage
{
    private static readonly (string Name, Func<ProbeScores, double> Value)[] Columns =
    [
        ("on_topic", scores => scores.OnTopic), ("no_q", scores => scores.NoQuestion), ("marker", scores => scores.Marker),
        ("good", scores => scores.Good), ("first", scores => scores.First), ("cloze", scores => scores.Cloze),
    ];

    /// <summary>The names of the table's columns.</summary>
    public static IReadOnlyList<string> Headings { get; } = ["arm", .. Columns.Select(column => column.Name)];

    /// <summary>One row for each arm, its cells the seeds' values side by side.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(IReadOnlyList<ArmResult> results) =>
        results.GroupBy(result => result.Name).Select(arm => (IReadOnlyList<string>)
            [arm.Key, .. Columns.Select(column => string.Join(" / ", arm.Select(result => column.Value(result.Scores).ToString("0.00", CultureInfo.InvariantCulture))))]);

    /// <summary>Writes the page.</summary>
    /// <param name="results">Every arm of every seed.</param>
    /// <param name="settings">The size of the run.</param>
    /// <param name="runs">Time, data and ratings of each seed.</param>
    /// <param name="threads">Threads of the tensor library.</param>
    public static string Write(IReadOnlyList<ArmResult> results, TuningSettings settings, IReadOnlyList<SeedSummary> runs, int threads)
    {
        ArgumentNullException.ThrowIfNull(results);
        ArgumentNullException.ThrowIfNull(settings);
        var conditions = Reproduction.Judge(results);
        var isReproduced = conditions.All(condition => condition.Holds);
        var seeds = string.Join(", ", results.Select(result => result.Seed).Distinct());
        var page = new StringBuilder();
        Line($"# Instruction following without instructions");
        Line($"");
        Line($"`dotnet run -c Release --project samples/InstructionTuning`, seeds {seeds}, {threads} torch thread(s): {string.Join(", ", runs.Select(run => $"{run.Elapsed.TotalSeconds:F0} s"))}.");
        Line($"Base: {settings.PretrainingSteps:N0} steps of {TuningSettings.RowCount} x {TuningSettings.PretrainingLength} tokens, loss {Losses(null)}. Each arm: {settings.TuningSteps} steps of {TuningSettings.RowCount} examples");
        Line($"out of {string.Join(", ", runs.Select(run => run.ExampleCount))} (articles whose first half asks a question, or repeats another's, are left out).");
        Line($"");
        Line($"A tiny word-level model reads plain English about 20 made-up places and answers a question with more questions. It is then tuned on");
        Line($"halves of articles, none with a question, continued by a teacher that is a rule behind `IChatClient`. The probe asks 20 questions");
        Line($"about five places that no tuning document names. The control is tuned on the articles' own second halves.");
        Line($"");
        Line($"| {string.Join(" | ", Headings)} |");
        Line($"|{string.Concat(Headings.Select(_ => "---|"))}");
        foreach (var row in Rows(results))
            Line($"| {string.Join(" | ", row)} |");
        Line($"");
        Line($"Values are seeds {seeds}. on_topic: the first sentence states something of the place asked about; no_q: nothing is asked; marker:");
        Line($"the teacher's register; good: on topic, the asked fact stated correctly, nothing asked, ended by itself; first: the asked fact");
        Line($"stands in the first sentence; cloze: statements about these places completed correctly, a measure of what the model still knows.");
        Line($"");
        Line($"## Counts as reproduced: {(isReproduced ? "yes" : "no")}");
        Line($"");
        Line($"| condition | values | holds |");
        Line($"|---|---|---|");
        foreach (var condition in conditions)
            Line($"| {condition.Condition} | {string.Join(" / ", condition.Values.Select(value => value.ToString("0.00", CultureInfo.InvariantCulture)))} | {(condition.Holds ? "yes" : "NO")} |");
        Line($"");
        Line($"## Ratings");
        Line($"");
        Line($"A judge behind `IChatClient` (a rule: on topic, the fact, nothing asked) compares the replies to each question in both orders. Bradley-Terry");
        Line($"ratings on the Elo scale, with 95 % intervals from resamples of whole questions.");
        Line($"");
        Line($"| seed | {string.Join(" | ", runs[0].Ratings.Models.Select(model => model.Model).Order(StringComparer.Ordinal))} | position bias |");
        Line($"|{string.Concat(Enumerable.Repeat("---|", runs[0].Ratings.Models.Count + 2))}");
        foreach (var run in runs)
            Line($"| {run.Seed} | {string.Join(" | ", run.Ratings.Models.OrderBy(model => model.Model, StringComparer.Ordinal).Select(Rating))} | {run.Ratings.PositionBias:F2} |");
        Line($"");
        Line($"## Replies (seed {results[0].Seed}, first question)");
        Line($"");
        foreach (var result in results.Where(result => result.Seed == results[0].Seed))
            Line($"- {result.Name}: *{result.Replies[0].Question}* {result.Replies[0].Text.Trim()}");
        return page.ToString();

        void Line(FormattableString text) => page.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');

        static string Rating(RatedModel model) => FormattableString.Invariant($"{model.Elo:F0} [{model.Interval?.Low:F0}, {model.Interval?.High:F0}]");

        string Losses(DatasetArm? arm) => string.Join(" / ", results.Where(result => result.Arm == arm).Select(result => result.Loss.ToString("F2", CultureInfo.InvariantCulture)));
    }
}
