using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class CaseRunTests
{
    [Fact]
    public void A_case_that_cannot_run_here_is_listed_with_its_reason_and_fails_nothing()
    {
        using var output = new StringWriter();
        var run = new CaseRun(new RatioOptions(), output, TextWriter.Null);

        var row = run.Measure(new RatioCase("case", 1, 1, _ => throw new InvalidOperationException()) { Hindrance = () => "a library is missing" });

        Assert.Null(row);
        Assert.Contains("# case: not run, a library is missing", output.ToString(), StringComparison.Ordinal);
        Assert.Empty(run.Times);
        Assert.False(run.HasFailed);
    }
}
