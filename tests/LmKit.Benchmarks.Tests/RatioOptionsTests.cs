using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class RatioOptionsTests
{
    [Fact]
    public void Options_survive_the_way_to_the_second_process()
    {
        var options = new RatioOptions("h3 step", 2, "figures.json", IsTuned: true);

        Assert.Equal(options, RatioOptions.Parse([.. options.ToArguments()]));
        Assert.Equal(new RatioOptions(), RatioOptions.Parse([]));
    }

    [Theory]
    [InlineData("--filter", "--filter needs a value")]
    [InlineData("--threads 0", "--threads '0'")]
    [InlineData("--threads two", "--threads 'two'")]
    [InlineData("--fast", "'--fast'")]
    public void A_bad_command_line_is_named(string line, string expected) =>
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => RatioOptions.Parse(line.Split(' '))).Message, StringComparison.Ordinal);

    [Fact]
    public void Reserved_cases_run_only_when_a_filter_names_them()
    {
        RatioCase[] cases = [Case("A"), Case("Self") with { OnlyWhenNamed = true }];

        Assert.Equal(["A"], RatioCaseList.Select(cases, null).Select(one => one.Name));
        Assert.Equal(["Self"], RatioCaseList.Select(cases, "SELF").Select(one => one.Name));
    }

    [Fact]
    public void Case_names_are_unique_and_hold_no_tab()
    {
        var names = RatioCaseList.All.Select(one => one.Name).ToList();

        Assert.Equal(names.Distinct(), names);
        Assert.DoesNotContain(names, name => name.Contains('\t', StringComparison.Ordinal));
    }

    private static RatioCase Case(string name) => new(name, 1, 1, _ => throw new InvalidOperationException("Selecting a case prepares nothing."));
}
