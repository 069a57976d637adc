using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class RatioOptionsTests
{
    [Fact]
    public void Every_option_is_read()
    {
        var options = RatioOptions.Parse(["--filter", "h3 step", "--threads", "2", "--processes", "3", "--json", "figures.json"]);

        Assert.Equal(new RatioOptions("h3 step", 2, "figures.json", null, 3), options);
        Assert.Equal("ratios.md", RatioOptions.Parse(["--out", "ratios.md"]).Table);
        Assert.Equal(new RatioOptions(), RatioOptions.Parse([]));
        Assert.Equal("ratios --filter \"h3 step\" --threads 2 --processes 3", options.ToCommand());
    }

    [Fact]
    public void The_options_of_a_case_survive_the_way_to_its_process()
    {
        var options = new CaseOptions("layer, d=256 (odd \"name\")", 2, CaseQuantity.OurMemory, IsTuned: true, "result.json");
        var arguments = options.ToArguments();

        Assert.Equal(CaseOptions.Verb, arguments[0]);
        Assert.Equal(options, CaseOptions.Parse([.. arguments.Skip(1)]));
    }

    [Theory]
    [InlineData("--filter", "--filter needs a value")]
    [InlineData("--threads 0", "--threads '0'")]
    [InlineData("--processes 0", "--processes '0'")]
    [InlineData("--threads two", "--threads 'two'")]
    [InlineData("--out ratios.md --filter h3", "--out with --filter")]
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
        var names = RatioCaseList.All.Select(one => one.Name).Concat(MemoryCaseList.All.Select(one => $"{one.Name} [peak memory]")).ToList();

        Assert.Equal(names.Distinct(), names);
        Assert.DoesNotContain(names, name => name.Contains('\t', StringComparison.Ordinal));
    }

    private static RatioCase Case(string name) => new(name, 1, 1, _ => throw new InvalidOperationException("Selecting a case prepares nothing."));
}
