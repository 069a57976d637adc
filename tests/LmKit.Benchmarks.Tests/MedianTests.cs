using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class MedianTests
{
    [Theory]
    [InlineData(new[] { 3.0 }, 3)]
    [InlineData(new[] { 5.0, 1.0, 3.0 }, 3)]
    [InlineData(new[] { 4.0, 1.0, 3.0, 2.0 }, 2.5)]
    public void The_median_is_the_middle_of_the_sorted_figures(double[] figures, double expected) => Assert.Equal(expected, Median.Of(figures));

    [Fact]
    public void One_outlier_does_not_move_the_median() => Assert.Equal(Median.Of([1, 2, 3]), Median.Of([1, 2, 1e9]));

    [Fact]
    public void No_figures_have_no_median() => Assert.Throws<ArgumentException>(() => Median.Of([]));

    [Fact]
    public void Wall_and_processor_time_have_medians_of_their_own() =>
        Assert.Equal(new CallTime(2, 20), CallTime.MedianOf([new(1, 20), new(2, 30), new(3, 10)]));
}
