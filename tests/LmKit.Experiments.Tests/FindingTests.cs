namespace LmKit.Experiments.Tests;

public class FindingTests
{
    [Theory]
    [InlineData(0.5, true)]
    [InlineData(0.4, true)]
    [InlineData(0.39, false)]
    [InlineData(0.61, false)]
    [InlineData(double.NaN, false)]
    public void A_finding_holds_within_its_thresholds_and_never_without_a_figure(double measured, bool holds) =>
        Assert.Equal(holds, new Finding("share", measured, Low: 0.4, High: 0.6).Holds);

    [Fact]
    public void Thresholds_are_said_in_words()
    {
        Assert.Equal("0.4 to 0.6", new Finding("share", 0, 0.4, 0.6).Threshold);
        Assert.Equal("at least 0.4", new Finding("share", 0, Low: 0.4).Threshold);
        Assert.Equal("at most 0.6", new Finding("share", 0, High: 0.6).Threshold);
    }
}
