namespace LmKit.Core.Tests;

public class EstimateTests
{
    [Fact]
    public void The_error_of_a_mean_of_values_is_the_textbook_one()
    {
        var estimate = Estimate.OfValues([1, 2, 4, 5], "samples");
        Assert.Equal(3, estimate.Value, 1e-12);
        Assert.Equal(Math.Sqrt(10.0 / 3 / 4), estimate.StandardError, 1e-12);
        Assert.Equal("3.00 +- 0.91 (standard error over 4 samples)", estimate.ToString());
    }

    [Fact]
    public void Units_without_tokens_are_left_out_and_a_ratio_over_nothing_has_no_error()
    {
        Assert.Equal(Estimate.OfUnits([1, 2], [1, 1], "windows"), Estimate.OfUnits([1, 0, 2], [1, 0, 1], "windows"));
        var nothing = Estimate.OfRatio([1, 2], [1, -1], 2, "prompts", "");
        Assert.True(double.IsNaN(nothing.StandardError));
        // A prompt whose difference is exactly 0 is a prompt like any other.
        Assert.Equal(2, Estimate.OfRatio([1, 2], [0, 2], 2, "prompts", "").UnitCount);
    }

    [Fact]
    public void The_error_over_units_of_uneven_size_is_what_other_draws_of_units_scatter()
    {
        var random = new Random(1);
        var estimates = Enumerable.Range(0, 400).Select(_ =>
        {
            var counts = Enumerable.Range(0, 40).Select(_ => random.NextInt64(1, 30)).ToArray();
            // What a unit shares moves all of its tokens, so that tokens are not independent.
            return Estimate.OfUnits([.. counts.Select(count => count * (2 + Normal()) + Math.Sqrt(count) * Normal())], counts, "windows");
        }).ToArray();
        var mean = estimates.Average(estimate => estimate.Value);
        var scatter = Math.Sqrt(estimates.Average(estimate => Math.Pow(estimate.Value - mean, 2)));
        Assert.InRange(estimates.Average(estimate => estimate.StandardError) / scatter, 0.88, 1.12);

        double Normal() => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
    }

    [Fact]
    public void One_unit_tells_no_error_and_a_share_of_one_is_not_exact()
    {
        var one = Estimate.OfUnits([6], [4], "windows", "all of it");
        Assert.Equal(1.5, one.Value);
        Assert.True(double.IsNaN(one.StandardError));
        Assert.Equal("1.5000 +- ? (error unknown from 1 of its windows, 4 tokens; all of it)", one.ToString());
        Assert.InRange(Estimate.OfShare(20, 20, "questions").StandardError, 0.03, 0.06);
        Assert.Equal((0.5, Math.Sqrt(0.25 / 100)), (Estimate.OfShare(50, 100, "questions").Value, Estimate.OfShare(50, 100, "questions").StandardError));
        Assert.Throws<ArgumentException>(() => Estimate.OfUnits([1], [0], "windows"));
        Assert.Throws<ArgumentException>(() => Estimate.OfUnits([1, 2], [1], "windows"));
        Assert.Throws<ArgumentOutOfRangeException>(() => Estimate.OfShare(3, 2, "questions"));
    }

    [Fact]
    public void Scaling_and_perplexity_take_the_errors_along()
    {
        var loss = new Estimate(2, 0.1, 8, "windows", 80, "") { DrawError = 0.01 };
        Assert.Equal(6, loss.Scaled(3).Value, 1e-12);
        Assert.Equal(0.3, loss.Scaled(-3).StandardError, 1e-12);
        Assert.Equal(0.03, loss.Scaled(3).DrawError, 1e-12);
        Assert.Equal(0.1 * Math.Exp(2), loss.Exponential().StandardError, 1e-12);
        Assert.Contains("its draws alone +- 0.010", loss.ToString(), StringComparison.Ordinal);
    }
}
