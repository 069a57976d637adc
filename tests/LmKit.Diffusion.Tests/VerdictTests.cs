using LmKit.DiffusionText;

namespace LmKit.Diffusion.Tests;

public class VerdictTests
{
    private static readonly Window good = new("bound", 1, High: 2);
    private static readonly Window bad = new("entropy", 1, Low: 2);

    [Theory]
    [InlineData(3, 2, 2, "Verdict: reproduced (")]
    [InlineData(3, 2, 1, "Verdict: not reproduced.")]
    [InlineData(3, 1, 3, "Verdict: not reproduced.")]
    [InlineData(4, 2, 3, "Verdict: not reproduced.")]
    [InlineData(4, 3, 3, "Verdict: reproduced (")]
    [InlineData(2, 2, 2, "No verdict:")]
    [InlineData(1, 1, 1, "No verdict:")]
    [InlineData(0, 0, 0, "No verdict:")]
    public void Reproduced_takes_two_seeds_in_three_of_at_least_three(int seeds, int students, int rankings, string expected) =>
        Assert.StartsWith(expected, new Verdict([good], seeds, students, rankings).ToString(), StringComparison.Ordinal);

    [Fact]
    public void A_window_that_fails_is_named_with_and_without_a_verdict()
    {
        Assert.Equal("Verdict: not reproduced. Failing: entropy.", new Verdict([good, bad], 3, 3, 3).ToString());
        Assert.Equal("No verdict: it takes DiDi on at least 3 seeds, here 0. Checked: 1 of 2 other windows hold, not entropy.", new Verdict([good, bad], 0, 0, 0).ToString());
    }
}
