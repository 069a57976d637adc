using System.Globalization;
using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class RatioResultTests
{
    [Fact]
    public void A_ratio_is_baseline_time_over_our_time()
    {
        var result = Result(baseline: new(6, 8), ours: new(2, 4), target: 1);

        Assert.Equal((3.0, 2.0), (result.WallRatio, result.CpuRatio));
    }

    [Theory]
    [InlineData(2.0, 2.0, true)]
    [InlineData(2.0, 1.9, false)]
    [InlineData(1.9, 2.0, false)]
    public void A_target_is_met_when_both_ratios_reach_it(double wall, double cpu, bool isMet) =>
        Assert.Equal(isMet, Result(baseline: new(wall, cpu), ours: new(1, 1), target: 2).IsMet);

    [Fact]
    public void Where_the_sides_differ_in_threads_the_clock_alone_counts()
    {
        var twice = Result(baseline: new(2, 1), ours: new(1, 1), target: 1.8) with { CountsWallOnly = true };

        Assert.True(twice.IsMet);
        Assert.Equal("case\t2.00\t1.00\t1.80\tmet", twice.ToLine());
        Assert.Equal(twice, RatioResult.LeastFavourable([Result(new(3, 1), new(1, 1), 1.8) with { CountsWallOnly = true }, twice]));
        Assert.Equal(twice, System.Text.Json.JsonSerializer.Deserialize<RatioResult>(System.Text.Json.JsonSerializer.Serialize(twice)));
    }

    [Fact]
    public void A_line_has_five_fields_between_tabs_whatever_the_culture()
    {
        var culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo("de-DE");
        try
        {
            Assert.Equal("case\t3.00\t2.50\t2.80\tshort", Result(new(3, 5), new(1, 2), 2.8).ToLine());
            Assert.Equal("case [tuned malloc]\t3.00\t2.50\t2.50\tmet", (Result(new(3, 5), new(1, 2), 2.5) with { IsTuned = true }).ToLine());
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void Of_several_processes_the_lowest_ratio_counts()
    {
        RatioResult[] results = [Result(new(9, 8), new(1, 1), 2), Result(new(7, 9), new(1, 1), 2), Result(new(8, 8), new(1, 1), 2)];

        Assert.Equal(results[1], RatioResult.LeastFavourable(results));
    }

    [Fact]
    public void Peak_memory_is_compared_as_the_baselines_over_ours()
    {
        Assert.Equal("case [peak memory]\t2.50\t2.50\t2.50\tmet", new MemoryResult("case", 500, 200, 2.5).ToLine());
        Assert.Equal("case [peak memory]\t1.25\t1.25\t2.50\tshort", new MemoryResult("case", 500, 400, 2.5).ToLine());
    }

    private static RatioResult Result(CallTime baseline, CallTime ours, double target) => new("case", IsTuned: false, baseline, ours, target);
}
