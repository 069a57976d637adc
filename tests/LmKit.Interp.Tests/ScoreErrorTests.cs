using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Interp.Tests;

/// <summary>Standard errors of scores against the spread that the scores really have from one draw of prompts or rows to the next.</summary>
public sealed class ScoreErrorTests
{
    private const int Draws = 400;
    private const int Count = 100;

    [Fact]
    [LmKit.Conformance.NoTensorLeak]
    public void Errors_of_scores_are_the_spread_over_draws_of_prompts()
    {
        using var random = new Generator(1);
        var scores = Enumerable.Range(0, Draws).Select(_ => Score(random)).ToArray();

        Close(scores.Select(score => score.Sufficiency), scores.Select(score => score.SufficiencyError));
        Close(scores.Select(score => score.SignedRecovered), scores.Select(score => score.RecoveredError));
        Close(scores.Select(score => score.Necessity), scores.Select(score => score.RecoveredError));
    }

    [Fact]
    [LmKit.Conformance.NoTensorLeak]
    public void Errors_of_reconstructions_are_the_spread_over_draws_of_rows()
    {
        using var random = new Generator(2);
        var qualities = Enumerable.Range(0, Draws).Select(_ => Quality(random)).ToArray();

        Assert.All(qualities, quality => Assert.Equal(Count, quality.RowCount));
        Close(qualities.Select(quality => quality.ExplainedVariance), qualities.Select(quality => quality.ExplainedVarianceError));
        Close(qualities.Select(quality => quality.MeanSquaredError), qualities.Select(quality => quality.MeanSquaredErrorError));
        Close(qualities.Select(quality => quality.NormalizedError), qualities.Select(quality => quality.NormalizedErrorError));
    }

    [Fact]
    public void An_intervention_in_one_proportion_to_every_prompt_has_no_error()
    {
        var score = LogitDifferenceScore.OfPrompts([4, 6, 9], [0, 0, 0], [2, 3, 4.5]);

        Assert.Equal((0.5, 0.0, 0.0), (score.Sufficiency, score.SufficiencyError, score.RecoveredError));
        Assert.Equal(LogitDifferenceScore.Of(19 / 3.0, 0, 9.5 / 3.0).Necessity, score.Necessity, 12);
        Assert.Contains("got 1 clean, 2 ablated and 1 under", Assert.Throws<ArgumentException>(() => LogitDifferenceScore.OfPrompts([1], [1, 2], [1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_shows_errors_and_the_number_of_prompts()
    {
        var score = LogitDifferenceScore.OfPrompts([4, 6, 8], [0, 1, -1], [3, 5, 5]);
        var result = new ApproximationResult(6, 0, score, score) { PromptCount = 3, CleanError = 1.25, AblatedError = 0.5 };
        var table = new BenchTable([new BenchRow("END", "s", "any", result, 3, 0.9, [new(1, 0.5, 0.1, 0.25) { PromptCount = 98 }])]);

        var markdown = table.ToMarkdown();
        Assert.Contains("6.00 +- 1.25 clean, 0.00 +- 0.50 under mean ablation (standard errors over 3 prompts).", markdown, StringComparison.Ordinal);
        Assert.Contains(FormattableString.Invariant($"| {score.Sufficiency:F3} +- {score.SufficiencyError:F3} |"), markdown, StringComparison.Ordinal);
        Assert.Contains("| 0.50 +- 0.05 (0.25) with 1 swap(s) |", markdown, StringComparison.Ordinal);
        Assert.EndsWith(FormattableString.Invariant($",3,{score.SufficiencyError:R},{score.RecoveredError:R},{score.RecoveredError:R},{table.Rows[0].Control[0].AgreementError:R}\n"), table.ToCsv(), StringComparison.Ordinal);
        Assert.True(double.IsNaN(new ControllabilityResult(1, 0.5, 0.1, 0.25).AgreementError));
    }

    private static LogitDifferenceScore Score(Generator random)
    {
        using var scope = NewDisposeScope();
        var noise = randn([3, Count], ScalarType.Float64, generator: random);
        var clean = 5 + noise[0];
        return LogitDifferenceScore.OfPrompts(Numbers(clean), Numbers(1 + (0.5 * noise[1])), Numbers((0.7 * clean) + (0.6 * noise[2])));
    }

    private static ReconstructionQuality Quality(Generator random)
    {
        using var scope = NewDisposeScope();
        var rows = randn([Count, 6], ScalarType.Float64, generator: random) * (1 + rand([Count, 1], ScalarType.Float64, generator: random));
        return ReconstructionQuality.Of(rows, rows + (0.4 * randn([Count, 6], ScalarType.Float64, generator: random)));
    }

    private static double[] Numbers(Tensor each) => each.data<double>().ToArray();

    // 400 draws tell a spread to 3.5 %; a missing root, factor or covariance is further off.
    private static void Close(IEnumerable<double> values, IEnumerable<double> errors)
    {
        double[] all = [.. values];
        var spread = Math.Sqrt(all.Sum(value => (value - all.Average()) * (value - all.Average())) / (all.Length - 1));
        Assert.InRange(errors.Average() / spread, 0.87, 1.15);
    }
}
