using System.Text.Json;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

public partial class GoldenTests
{
    private static readonly Dictionary<long, string> Labels = new() { [2] = "A>>B", [1] = "A>B", [0] = "A=B", [-1] = "B>A", [-2] = "B>>A" };

    private static void Verdicts(GoldenCase golden)
    {
        foreach (var one in golden.Json().EnumerateArray())
        {
            var judgment = one.GetProperty("judgment").GetString()!;
            Assert.Equal(Text("mtbench_pair_official"), VerdictParser.MtBenchPair(judgment));
            Assert.Equal(Number("mtbench_single_official"), VerdictParser.MtBenchSingle(judgment));
            Assert.Equal(Text("arena_official"), VerdictParser.Arena(judgment));
            Assert.Equal(Text("lmkit_strict_pair"), VerdictParser.StrictPair(judgment));
            Assert.Equal(Text("lmkit_strict_arena"), VerdictParser.StrictArena(judgment));
            Assert.Equal(Number("lmkit_strict_rating"), VerdictParser.StrictRating(judgment));

            string? Text(string name) => one.GetProperty(name).GetString();
            double? Number(string name) => one.GetProperty(name) is { ValueKind: JsonValueKind.Number } value ? value.GetDouble() : null;
        }
    }

    private static void PairwiseRatings(GoldenCase golden)
    {
        var count = int.Parse(golden.Metadata["models"], System.Globalization.CultureInfo.InvariantCulture);
        var (first, second, outcome) = (Longs(golden, "battle_a"), Longs(golden, "battle_b"), Doubles(golden, "outcome_a"));
        Battle[] battles = [.. first.Select((a, index) => new Battle((int)a, (int)second[index], outcome[index]))];
        var (aggA, aggB, aggY, aggCount) = (Longs(golden, "agg_a"), Longs(golden, "agg_b"), Doubles(golden, "agg_outcome"), Doubles(golden, "agg_count"));
        Battle[] aggregated = [.. aggA.Select((a, index) => new Battle((int)a, (int)aggB[index], aggY[index], aggCount[index]))];

        Same("rating_natural_l2_0.01", BradleyTerry.Fit(battles, count, 0.01).Natural);
        Same("elo_online_k4", BradleyTerry.OnlineElo(battles, count));
        var ratings = BradleyTerry.Fit(battles, count);
        Assert.Equal(!golden.Has("rating_natural"), ratings.IsRegularized);
        if (ratings.IsRegularized)
        {
            Same("rating_natural_l2_0.01", ratings.Natural);
            return;
        }
        Same("rating_natural", ratings.Natural);
        Same("rating_natural", BradleyTerry.Fit(aggregated, count).Natural);
        Same("rating_elo", ratings.Elo, 4e-6);
        Same("winrate_vs_model0", [.. Enumerable.Range(0, count).Select(model => ratings.WinRate(model, 0))]);
        using var features = golden.Tensor("style_features");
        var (coefficients, rows) = (StyleControl.Fit(battles, Rows(features.data<double>().ToArray(), features.size(1)), count), battles.Length);
        Same("style_params_official", [.. coefficients.Ratings, .. coefficients.Coefficients], 1e-4);
        var resampled = Rows(Ints(golden, "boot_idx"), rows).Select(drawn => BradleyTerry.Fit(drawn.Select(index => battles[index]), count, 1e-6).Natural).ToArray();
        Same("boot_ratings_l2_1e-6", [.. resampled.SelectMany(row => row)]);
        var intervals = Enumerable.Range(0, count).Select(model => BootstrapInterval.Of(resampled.Select(row => row[model]))).ToArray();
        Same("boot_ci95", [.. intervals.Select(one => one.Low), .. intervals.Select(one => one.Middle), .. intervals.Select(one => one.High)]);

        void Same(string name, IReadOnlyList<double> actual, double tolerance = 1e-8) => Equal(golden, name, actual, tolerance);
    }

    private static void Intervals(GoldenCase golden)
    {
        var (first, second) = (Longs(golden, "game1_label"), Longs(golden, "game2_label"));
        var scores = new List<double>();
        var questions = new List<int>();
        for (var question = 0; question < first.Length; question++)
        {
            var one = ArenaScores.Of(Labels.GetValueOrDefault(first[question]), Labels.GetValueOrDefault(second[question]));
            scores.AddRange(one);
            questions.AddRange(one.Select(_ => question));
        }
        Equal(golden, "scores_flat", scores, 0);
        Assert.Equal(Longs(golden, "score_question"), questions.Select(question => (long)question));
        Equal(golden, "score", [scores.Average()], 1e-12);
        var flat = BootstrapInterval.Flat(scores, Rows(Ints(golden, "boot_idx"), scores.Count));
        Equal(golden, "boot_mean", flat, 1e-12);
        Equal(golden, "ci95", Ends(BootstrapInterval.Of(flat)), 1e-12);
        Equal(golden, "ci90", Ends(BootstrapInterval.Of(flat, 0.9)), 1e-12);
        var clustered = BootstrapInterval.ByQuestion(scores, questions, Rows(Ints(golden, "cluster_idx"), first.Length));
        Equal(golden, "cluster_boot_mean", clustered, 1e-12);
        Equal(golden, "cluster_ci95", Ends(BootstrapInterval.Of(clustered)), 1e-12);

        static double[] Ends(BootstrapInterval interval) => [interval.Low, interval.High];
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
        var expected = Doubles(golden, name);
        Assert.Equal(expected.Length, actual.Count);
        for (var index = 0; index < expected.Length; index++)
            Assert.True(Math.Abs(expected[index] - actual[index]) <= tolerance, $"{name}[{index}]: expected {expected[index]:R}, got {actual[index]:R}.");
    }
}
