using System.Globalization;
using System.Text;

namespace LmKit.InstructionTuning;

/// <summary>The results as a page of Markdown.</summary>
public sealed class ResultPage
{
    private static readonly (string Name, Func<ProbeScores, double> Value)[] Columns =
    [
        ("on_topic", scores => scores.OnTopic), ("no_q", scores => scores.NoQuestion), ("marker", scores => scores.Marker),
        ("good", scores => scores.Good), ("first", scores => scores.First), ("cloze", scores => scores.Cloze),
    ];

    private readonly StringBuilder text = new();
    private readonly IReadOnlyList<SeedResult> seeds;
    private readonly TuningSettings settings;

    private ResultPage(IReadOnlyList<SeedResult> seeds, TuningSettings settings) => (this.seeds, this.settings) = (seeds, settings);

    /// <summary>The names of a recipe's table's columns.</summary>
    public static IReadOnlyList<string> Headings { get; } = ["arm", .. Columns.Select(column => column.Name)];

    private IEnumerable<TuningRecipe> Recipes => seeds[0].Recipes.Select(result => result.Recipe);

    private string SeedNames => Names(seeds.Select(seed => seed.Seed));

    /// <summary>Writes the page.</summary>
    /// <param name="seeds">The seeds' results.</param>
    /// <param name="settings">The size of the run.</param>
    /// <param name="threads">Threads of the tensor library.</param>
    public static string Write(IReadOnlyList<SeedResult> seeds, TuningSettings settings, int threads)
    {
        ArgumentNullException.ThrowIfNull(seeds);
        ArgumentNullException.ThrowIfNull(settings);
        var page = new ResultPage(seeds, settings);
        page.Opening(threads);
        foreach (var recipe in page.Recipes)
            page.Recipe(recipe);
        page.Ratings();
        page.Replies();
        return page.text.ToString();
    }

    /// <summary>One row for the base model and each arm of a recipe, its cells the seeds' values side by side.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows(IReadOnlyList<SeedResult> seeds, TuningRecipe recipe) =>
        seeds.SelectMany(seed => seed.Of(recipe)).GroupBy(result => result.Name).Select(arm => (IReadOnlyList<string>)
            [arm.Key, .. Columns.Select(column => Values(arm.Select(result => column.Value(result.Scores))))]);

    /// <summary>Whether a recipe's results count as reproduced, in a word.</summary>
    public static string Verdict(IReadOnlyList<SeedResult> seeds, TuningRecipe recipe) => Reproduction.Judge(seeds, recipe).IsReproduced ? "yes" : "no";

    private void Opening(int threads)
    {
        Line($"# Instruction following without instructions");
        Line($"");
        Line($"**Counts as reproduced: {string.Join("; ", Recipes.Select(recipe => $"{Verdict(seeds, recipe)}, by the {recipe.Name} recipe"))}** (seeds {SeedNames}).");
        Line($"");
        Line($"`dotnet run -c Release --project samples/InstructionTuning -- --recipe {string.Join(' ', Recipes.Select(recipe => recipe.Name))} --seed {string.Join(' ', seeds.Select(seed => seed.Seed))}`, {threads} torch thread(s): {string.Join(", ", seeds.Select(seed => $"{seed.Elapsed.TotalSeconds:F0} s"))}.");
        Line($"");
        Line($"A tiny word-level model reads plain English about 20 made-up places and answers a question with more questions. It is then tuned on");
        Line($"halves of articles, none with a question, continued by a teacher that is a rule behind `IChatClient`. The probe asks 20 questions");
        Line($"about five places that no tuning document names. The control is tuned on the articles' own second halves.");
        Line($"Base: {settings.PretrainingSteps:N0} steps of {TuningSettings.RowCount} x {TuningSettings.PretrainingLength} tokens, loss {Values(seeds.Select(seed => seed.Base.Loss))}. All recipes start from it.");
        Line($"");
        Line($"| recipe | an article opens with | steps of {TuningSettings.RowCount} examples | the adapter's A starts at | examples with one, two, three facts in the response |");
        Line($"|---|---|---|---|---|");
        foreach (var recipe in Recipes)
            Line($"| {recipe.Name} | {(recipe.VariesFacts ? "one to three facts" : "three facts")} | {settings.StepsOf(recipe)} | {recipe.Start} | {string.Join(" / ", seeds.Select(seed => string.Join(", ", ResultOf(seed, recipe).FactCounts)))} |");
        Line($"");
        Line($"Values are seeds {SeedNames}. Articles whose first half asks a question, or repeats another's, are left out. on_topic: the first");
        Line($"sentence states something of the place asked about; no_q: nothing is asked; marker: the teacher's register; good: on topic, the asked");
        Line($"fact stated correctly, nothing asked, ended by itself; first: the asked fact stands in the first sentence; cloze: statements about");
        Line($"these places completed correctly, a measure of what the model still knows.");
    }

    private void Recipe(TuningRecipe recipe)
    {
        var judged = Reproduction.Judge(seeds, recipe);
        Line($"");
        Line($"## The {recipe.Name} recipe counts as reproduced: {Verdict(seeds, recipe)}");
        Line($"");
        Line($"{recipe.Description} {ChosenOn(recipe)}");
        Line($"What was tried before: [explored](instruction-tuning-explored.md).");
        Line($"");
        Line($"| {string.Join(" | ", Headings)} |");
        Line($"|{string.Concat(Headings.Select(_ => "---|"))}");
        foreach (var row in Rows(seeds, recipe))
            Line($"| {string.Join(" | ", row)} |");
        Line($"");
        Line($"| window | values | holds on |");
        Line($"|---|---|---|");
        foreach (var window in Window.All)
            Line($"| {window.Text} | {Values(seeds.Select(seed => window.Of(seed.Of(recipe))))} | {seeds.Count(seed => window.Holds(seed.Of(recipe)))} of {seeds.Count} |");
        Line($"");
        Line($"| condition | value | holds |");
        Line($"|---|---|---|");
        Line($"| every window at once on at least {judged.Needed} of {seeds.Count} seeds | {(judged.Holding.Count == 0 ? "none" : Names(judged.Holding))} | {Mark(judged.Holding.Count >= judged.Needed)} |");
        Line($"| teacher: mean of good >= {Window.Good} | {judged.MeanGood:F2} | {Mark(judged.MeanGood >= Window.Good)} |");
        Line($"| control: its windows on every seed | | {Mark(judged.IsControlUnmoved)} |");
        Line($"");
        Line($"The specification asks each window of every one of three seeds, and good of their mean. With more seeds one in five may miss a window here, and good is asked of each.");
    }

    private void Ratings()
    {
        Line($"");
        Line($"## Ratings");
        Line($"");
        Line($"A judge behind `IChatClient` (a rule: on topic, the fact, nothing asked) compares the replies to each question in both orders. Bradley-Terry");
        Line($"ratings on the Elo scale, with 95 % intervals from resamples of whole questions.");
        Line($"");
        var names = seeds[0].Recipes[0].Ratings.Models.Select(model => model.Model).Order(StringComparer.Ordinal).ToArray();
        Line($"| recipe, seed | {string.Join(" | ", names)} | position bias |");
        Line($"|{string.Concat(Enumerable.Repeat("---|", names.Length + 2))}");
        foreach (var recipe in Recipes)
        {
            foreach (var seed in seeds)
            {
                var ratings = ResultOf(seed, recipe).Ratings;
                Line($"| {recipe.Name}, {seed.Seed} | {string.Join(" | ", ratings.Models.OrderBy(model => model.Model, StringComparer.Ordinal).Select(Rating))} | {ratings.PositionBias:F2} |");
            }
        }
    }

    private void Replies()
    {
        Line($"");
        Line($"## Replies (seed {seeds[0].Seed}, first question)");
        Line($"");
        Line($"*{seeds[0].Base.Replies[0].Question}*");
        Line($"");
        Line($"- {seeds[0].Base.Name}: {seeds[0].Base.Replies[0].Text.Trim()}");
        foreach (var result in seeds[0].Recipes)
        {
            foreach (var arm in result.Arms)
                Line($"- {result.Recipe.Name}, {arm.Name}: {arm.Replies[0].Text.Trim()}");
        }
    }

    private string ChosenOn(TuningRecipe recipe)
    {
        if (recipe.ChosenOn.Count == 0)
            return "Nothing in it was chosen by results.";
        long[] seen = [.. seeds.Select(seed => seed.Seed).Intersect(recipe.ChosenOn)];
        return $"It was chosen on seeds {Names(recipe.ChosenOn)}; {(seen.Length == 0 ? "none of them is" : $"of them {Names(seen)}")} among the seeds of this page.";
    }

    private void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

    private static RecipeResult ResultOf(SeedResult seed, TuningRecipe recipe) => seed.Recipes.Single(result => result.Recipe == recipe);

    private static string Values(IEnumerable<double> values) => string.Join(" / ", values.Select(value => value.ToString("0.00", CultureInfo.InvariantCulture)));

    private static string Names(IEnumerable<long> seeds) => string.Join(", ", seeds);

    private static string Mark(bool holds) => holds ? "yes" : "NO";

    private static string Rating(RatedModel model) => FormattableString.Invariant($"{model.Elo:F0} [{model.Interval?.Low:F0}, {model.Interval?.High:F0}]");
}
