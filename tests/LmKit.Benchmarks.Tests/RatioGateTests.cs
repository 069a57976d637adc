using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioGateTests : IDisposable
{
    private const string caseName = "SelfCheck: identity vs identity";
    private const string wrong = "Disagreement on purpose: ones vs twos";
    private readonly string path = Path.GetTempFileName();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void A_ratio_below_its_floor_fails_by_name_with_both_figures()
    {
        var (holds, output, errors) = Hold(floor: 1.5, ratios: [1.2, 1.4, 1.3]);

        Assert.False(holds);
        Assert.Contains($"{caseName}: the ratio is 1.40", errors, StringComparison.Ordinal);
        Assert.Contains("floor 1.500", errors, StringComparison.Ordinal);
        Assert.Contains("FAILS", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_ratio_that_reaches_its_floor_once_holds()
    {
        Assert.True(Hold(floor: 1.5, ratios: [1.6]).Holds);
        Assert.True(Hold(floor: 1.5, ratios: [1.2, 1.5]).Holds);   // a neighbour was busy the first time
    }

    [Fact]
    public void Ratios_that_are_no_numbers_do_not_hold() => Assert.False(Hold(floor: 1.5, ratios: [double.NaN, double.NaN, double.NaN]).Holds);

    [Fact]
    public void The_command_fails_where_a_floor_is_out_of_reach_and_where_sides_disagree()
    {
        Write($$"""{"{{caseName}}": 1000, "{{wrong}}": 0.1}""");
        using var errors = new StringWriter();

        Assert.Equal(1, RatioCommand.Run(["--gate", path, "--threads", "1"], TextWriter.Null, errors));
        Assert.Contains($"{caseName}: the ratio is ", errors.ToString(), StringComparison.Ordinal);
        Assert.Contains($"{wrong}: the two sides disagree", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_returns_0_where_all_hold()
    {
        Write($$"""{"{{caseName}}": 0.01, "{{wrong}}": 0.1}""");
        using var errors = new StringWriter();

        Assert.Equal(0, RatioCommand.Run(["--gate", path, "--filter", caseName, "--threads", "1"], TextWriter.Null, errors));
        Assert.Empty(errors.ToString());
    }

    [Theory]
    [InlineData("""{"no such case": 1}""", "'no such case'")]
    [InlineData("""{"SelfCheck: identity vs identity": "1"}""", "\"1\"")]
    [InlineData("""{"SelfCheck: identity vs identity": 0}""", "is 0,")]
    [InlineData("""{"SelfCheck: identity vs identity": 1, "SelfCheck: identity vs identity": 2}""", "twice")]
    [InlineData("""[1]""", "Array")]
    [InlineData("""{}""", "no floor")]
    [InlineData("""{""", "no JSON")]
    public void A_file_that_is_no_gate_is_refused_by_name(string text, string expected)
    {
        Write(text);
        using var errors = new StringWriter();

        Assert.Equal(2, RatioCommand.Run(["--gate", path], TextWriter.Null, errors));
        Assert.Contains(expected, errors.ToString(), StringComparison.Ordinal);
        Assert.Contains(path, errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_and_a_filter_without_a_floor_are_named()
    {
        using var errors = new StringWriter();
        Write($$"""{"{{caseName}}": 0.01}""");

        Assert.Equal(2, RatioCommand.Run(["--gate", path + ".none"], TextWriter.Null, errors));
        Assert.Equal(2, RatioCommand.Run(["--gate", path, "--filter", "Lambda"], TextWriter.Null, errors));
        Assert.Contains(path + ".none", errors.ToString(), StringComparison.Ordinal);
        Assert.Contains("'Lambda' matches no case of --gate", errors.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_committed_floors_are_half_of_what_the_table_records()
    {
        var floors = RatioGate.Read(RepositoryFiles.Floors).Floors;

        Assert.True(RatioGate.Half(RatioTable.Open(RepositoryFiles.Table)).OrderBy(one => one.Key).SequenceEqual(floors.OrderBy(one => one.Key)), "Run `dotnet run -c Release --project bench/LmKit.Benchmarks -- floors`: the table has changed since floors.json was made.");
    }

    private (bool Holds, string Output, string Errors) Hold(double floor, double[] ratios)
    {
        RatioGate.Write(path, new Dictionary<string, double> { [caseName] = floor });
        using var output = new StringWriter();
        using var errors = new StringWriter();
        var next = 0;
        var holds = RatioGate.Read(path).Hold(name => new RatioResult(name, false, new(ratios[next], ratios[next++]), new(1, 1), 1), output, errors);
        return (holds, output.ToString(), errors.ToString());
    }

    private void Write(string text) => File.WriteAllText(path, text);
}
