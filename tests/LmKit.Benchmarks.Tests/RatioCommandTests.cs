using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioCommandTests : IDisposable
{
    private readonly string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName() + ".md");

    public void Dispose() => File.Delete(path);

    [Fact]
    public void A_case_whose_sides_disagree_fails_the_run_by_name_and_leaves_its_row()
    {
        using var errors = new StringWriter();

        Assert.Equal(1, RatioCommand.Run(["--filter", "Disagreement on purpose", "--processes", "1", "--out", path], TextWriter.Null, errors));
        Assert.Contains("Disagreement on purpose: ones vs twos: the two sides disagree, so no ratio is given: tensor 0: largest difference 1", errors.ToString(), StringComparison.Ordinal);
        Assert.Contains("left as they were", errors.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(path));
    }

    [Theory]
    [InlineData("readme", "--chek")]
    [InlineData("floors", "FILE")]
    public void A_bad_command_line_of_the_other_verbs_is_named(string verb, string argument)
    {
        using var errors = new StringWriter();

        Assert.Equal(2, verb == "readme" ? ReadmeCommand.Run([argument], TextWriter.Null, errors) : FloorsCommand.Run([argument], TextWriter.Null, errors));
        Assert.Contains($"'{argument}'", errors.ToString(), StringComparison.Ordinal);
    }
}
