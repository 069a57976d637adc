using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public class RatioOptionsTests
{
    [Fact]
    public void Every_option_is_read()
    {
        var options = RatioOptions.Parse(["--filter", "h3 step", "--filter", "lambda", "--part", "2/3", "--threads", "2", "--processes", "3", "--json", "figures.json", "--out", "ratios.md"]);

        Assert.Equal(["h3 step", "lambda"], options.Filters);
        Assert.Equal((2, 3), options.Part);
        Assert.Equal((2, 3), (options.Threads, options.Processes));
        Assert.Equal(("figures.json", "ratios.md"), (options.Json, options.Table));
        Assert.Equal("floors.json", RatioOptions.Parse(["--gate", "floors.json"]).Gate);
        Assert.Empty(RatioOptions.Parse([]).Filters);
    }

    [Fact]
    public void The_parts_share_all_cases_and_no_case_twice()
    {
        var cases = Enumerable.Range(0, 17).ToList();

        Assert.Equal(cases, Enumerable.Range(1, 4).SelectMany(part => RatioOptions.Parse(["--part", $"{part}/4"]).Share(cases)).Order());
        Assert.Equal(cases, RatioOptions.Parse([]).Share(cases));
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
    [InlineData("--part 3", "--part '3'")]
    [InlineData("--part 4/3", "--part '4/3'")]
    [InlineData("--part 0/3", "--part '0'")]
    [InlineData("--gate floors.json --out ratios.md", "--gate")]
    [InlineData("--gate floors.json --json figures.json", "--gate")]
    [InlineData("--fast", "'--fast'")]
    public void A_bad_command_line_is_named(string line, string expected) =>
        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => RatioOptions.Parse(line.Split(' '))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_filter_that_matches_no_case_is_named()
    {
        using var errors = new StringWriter();

        Assert.Equal(2, RatioCommand.Run(["--filter", "self", "--filter", "no such case"], TextWriter.Null, errors));
        Assert.Contains("'no such case' matches no case", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Reserved_cases_run_only_when_a_filter_names_them()
    {
        RatioCase[] cases = [Case("A"), Case("Self") with { OnlyWhenNamed = true }];

        Assert.Equal(["A"], RatioCaseList.Select(cases, []).Select(one => one.Name));
        Assert.Equal(["Self"], RatioCaseList.Select(cases, ["SELF"]).Select(one => one.Name));
        Assert.Equal(["A", "Self"], RatioCaseList.Select(cases, ["SELF", "a"]).Select(one => one.Name));
    }

    [Fact]
    public void A_whole_name_means_that_case_alone()
    {
        var name = RatioCaseList.All.First(one => RatioCaseList.All.Any(other => other != one && other.Name.StartsWith(one.Name, StringComparison.Ordinal))).Name;

        Assert.Equal([name], RatioCaseList.Select(RatioCaseList.All, [name]).Select(one => one.Name));
    }

    [Fact]
    public void Case_names_are_unique_and_fit_a_line_of_a_table()
    {
        Assert.Equal(RatioCaseList.Names.Distinct(), RatioCaseList.Names);
        Assert.DoesNotContain(RatioCaseList.Names, name => name.AsSpan().ContainsAny("\t|\"\n"));
        Assert.DoesNotContain(RatioCaseList.All, one => one.Name.EndsWith(RatioRow.MemoryMark, StringComparison.Ordinal));
    }

    private static RatioCase Case(string name) => new(name, 1, 1, _ => throw new InvalidOperationException("Selecting a case prepares nothing."));
}
