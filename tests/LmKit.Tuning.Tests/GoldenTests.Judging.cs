using System.Globalization;
using System.Text.Json;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

public partial class GoldenTests
{
    private static void Verdicts(GoldenCase golden)
    {
        foreach (var one in golden.Records())
        {
            var judgment = one.Text("judgment")!;
            Same("mtbench_pair_official", Text, VerdictParser.MtBenchPair(judgment));
            Same("mtbench_single_official", Number, VerdictParser.MtBenchSingle(judgment));
            Same("arena_official", Text, VerdictParser.Arena(judgment));
            Same("lmkit_strict_pair", Text, VerdictParser.StrictPair(judgment));
            Same("lmkit_strict_arena", Text, VerdictParser.StrictArena(judgment));
            Same("lmkit_strict_rating", Number, VerdictParser.StrictRating(judgment));

            void Same<T>(string name, Func<string, T> theirs, T ours) => golden.Equal($"{name} of '{judgment}'", new[] { theirs(name) }, new[] { ours });
            string? Text(string name) => one.Text(name);
            double? Number(string name) => one[name] is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;
        }
    }

    private static void PairwiseRatings(GoldenCase golden)
    {
        var (options, count) = (golden.Options, (int)golden.Options.Whole("models"));
        var (first, second, outcome) = (Longs(golden, "battle_a"), Longs(golden, "battle_b"), Doubles(golden, "outcome_a"));
        Battle[] battles = [.. first.Select((a, index) => new Battle((int)a, (int)second[index], outcome[index]))];
        var (aggA, aggB, aggY, aggCount) = (Longs(golden, "agg_a"), Longs(golden, "agg_b"), Doubles(golden, "agg_outcome"), Doubles(golden, "agg_count"));
        Battle[] aggregated = [.. aggA.Select((a, index) => new Battle((int)a, (int)aggB[index], aggY[index], aggCount[index]))];

        foreach (var (key, value) in new (string, object)[] { ("battles", battles.Length), ("alpha", "ln10"), ("l2", "as named"), ("separated", !golden.Has("rating_natural")) })
            options.Agrees(key, value);
        foreach (var (name, l2) in Named("rating_natural_l2_"))
        {
            Same(name, BradleyTerry.Fit(battles, count, l2).Natural);
            Same(name, BradleyTerry.Fit(aggregated, count, l2).Natural);
        }
        foreach (var (name, k) in Named("elo_online_k"))
            Same(name, BradleyTerry.OnlineElo(battles, count, k));
        var ratings = BradleyTerry.Fit(battles, count);
        Assert.Equal(!golden.Has("rating_natural"), ratings.IsRegularized);
        if (ratings.IsRegularized)
        {
            if (golden.Has("rating_natural_l2_0.01")) // what is used where no maximum exists
                Same("rating_natural_l2_0.01", ratings.Natural);
            return;
        }
        Same("rating_official_lbfgsb", ratings.Natural, 1e-4);
        Same("rating_natural", ratings.Natural);
        Same("rating_natural", BradleyTerry.Fit(aggregated, count).Natural);
        Same("rating_elo", ratings.Elo, 4e-6);
        Same("winrate_vs_model0", [.. Enumerable.Range(0, count).Select(model => ratings.WinRate(model, 0))]);
        using var features = golden.Tensor("style_features");
        var (coefficients, rows) = (StyleControl.Fit(battles, Rows(features.data<double>().ToArray(), features.size(1)), count), battles.Length);
        Same("style_params_official", [.. coefficients.Ratings, .. coefficients.Coefficients], 1e-4);
        foreach (var (name, l2) in Named("boot_ratings_l2_"))
        {
            var resampled = Rows(Ints(golden, "boot_idx"), rows).Select(drawn => BradleyTerry.Fit(drawn.Select(index => battles[index]), count, l2).Natural).ToArray();
            Same(name, [.. resampled.SelectMany(row => row)]);
            foreach (var (interval, percent) in Named("boot_ci"))
            {
                var intervals = Enumerable.Range(0, count).Select(model => BootstrapInterval.Of(resampled.Select(row => row[model]), percent / 100)).ToArray();
                Same(interval, [.. intervals.Select(one => one.Low), .. intervals.Select(one => one.Middle), .. intervals.Select(one => one.High)]);
            }
        }

        // Tensors whose names end in the number that they were made with.
        IEnumerable<(string Name, double Value)> Named(string prefix) => golden.Names(prefix).Select(name => (name, double.Parse(name.AsSpan(prefix.Length), CultureInfo.InvariantCulture)));
        void Same(string name, IReadOnlyList<double> actual, double tolerance = 1e-8) => Equal(golden, name, actual, tolerance);
    }

    private static void Intervals(GoldenCase golden)
    {
        var (first, second) = (Longs(golden, "game1_label"), Longs(golden, "game2_label"));
        // "A>>B=2 A>B=1 ...": the numbers that stand for labels.
        var labels = golden.Options.Text("codes").Split(' ').Select(pair => pair.Split('=')).ToDictionary(parts => long.Parse(parts[^1], CultureInfo.InvariantCulture), parts => string.Join('=', parts[..^1]));
        golden.Options.Agrees("weight", 3); // of a strong verdict
        var scores = new List<double>();
        var questions = new List<int>();
        for (var question = 0; question < first.Length; question++)
        {
            var one = ArenaScores.Of(labels.GetValueOrDefault(first[question]), labels.GetValueOrDefault(second[question]));
            scores.AddRange(one);
            questions.AddRange(one.Select(_ => question));
        }
        Equal(golden, "scores_flat", scores, 0);
        golden.Equal("score_question", Longs(golden, "score_question"), questions.Select(question => (long)question));
        Equal(golden, "score", [scores.Average()], 1e-12);
        var flat = BootstrapInterval.Flat(scores, Rows(Ints(golden, "boot_idx"), scores.Count));
        Equal(golden, "boot_mean", flat, 1e-12);
        Spans("ci", flat);
        var clustered = BootstrapInterval.ByQuestion(scores, questions, Rows(Ints(golden, "cluster_idx"), first.Length));
        Equal(golden, "cluster_boot_mean", clustered, 1e-12);
        Spans("cluster_ci", clustered);

        void Spans(string prefix, IReadOnlyList<double> means)
        {
            foreach (var name in golden.Names(prefix))
            {
                var interval = BootstrapInterval.Of(means, double.Parse(name.AsSpan(prefix.Length), CultureInfo.InvariantCulture) / 100);
                Equal(golden, name, [interval.Low, interval.High], 1e-12);
            }
        }
    }

    private static T[][] Rows<T>(T[] values, long width) => [.. values.Chunk((int)width)];

    private static int[] Ints(GoldenCase golden, string name)
    {
        using var tensor = golden.Tensor(name);
        return tensor.data<int>().ToArray();
    }

    private static long[] Longs(GoldenCase golden, string name)
    {
        using var tensor = golden.Tensor(name);
        return tensor.data<long>().ToArray();
    }

    private static double[] Doubles(GoldenCase golden, string name)
    {
        using var tensor = golden.Tensor(name);
        return tensor.data<double>().ToArray();
    }

    private static void Equal(GoldenCase golden, string name, IReadOnlyList<double> actual, double tolerance)
    {
        using var ours = tensor(actual.ToArray());
        golden.Check(name, ours.reshape(golden.Tensor(name).shape), absolute: tolerance);
    }
}
