using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioTableTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void The_text_around_the_table_is_kept()
    {
        File.WriteAllText(_path, $"before\n{RatioTable.Start}\nold\n{RatioTable.End}\nafter\n");

        RatioTable.Open(_path).Write(Report, "ratios --threads 1");

        var text = File.ReadAllText(_path);
        Assert.StartsWith($"before\n{RatioTable.Start}\n", text, StringComparison.Ordinal);
        Assert.EndsWith($"{RatioTable.End}\nafter\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("old", text, StringComparison.Ordinal);
        Assert.Contains("`ratios --threads 1`", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_case_is_one_row_with_both_allocators_and_both_targets()
    {
        var text = RatioTable.Text(Report, "ratios");

        Assert.Contains("| case | 3.00 | 4.00 | 2.00 | 2.00 | 2.50 met / 2.10 short tuned |\n", text, StringComparison.Ordinal);
        Assert.Contains("| only default | 1.00 | 1.00 | - | - | 1.00 met |\n", text, StringComparison.Ordinal);
        Assert.Contains("| streamed | 40.0 | 2.0 | 20.00 | 20.00 met |\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_does_not_exist_is_made_and_can_be_written_again()
    {
        File.Delete(_path);

        RatioTable.Open(_path).Write(Report, "ratios");
        var first = File.ReadAllText(_path);
        RatioTable.Open(_path).Write(Report, "ratios");

        Assert.Equal(first, File.ReadAllText(_path));
    }

    [Fact]
    public void A_file_without_the_marks_is_refused_and_left_alone()
    {
        File.WriteAllText(_path, "text");

        Assert.Contains(RatioTable.Start, Assert.Throws<ArgumentException>(() => RatioTable.Open(_path)).Message, StringComparison.Ordinal);
        Assert.Equal("text", File.ReadAllText(_path));
    }

    [Fact]
    public void A_run_in_which_a_case_failed_leaves_the_table_alone()
    {
        var before = $"{RatioTable.Start}\nold\n{RatioTable.End}";
        File.WriteAllText(_path, before);
        using var errors = new StringWriter();

        Assert.Equal(1, RatioCommand.Finish(RatioTable.Open(_path), Report, "ratios", hasFailed: true, errors));
        Assert.Equal(before, File.ReadAllText(_path));
        Assert.Contains("--out", errors.ToString(), StringComparison.Ordinal);

        Assert.Equal(0, RatioCommand.Finish(RatioTable.Open(_path), Report, "ratios", hasFailed: false, errors));
        Assert.DoesNotContain("old", File.ReadAllText(_path), StringComparison.Ordinal);
    }

    [Fact]
    public void A_filtered_run_cannot_replace_the_table()
    {
        using var errors = new StringWriter();

        Assert.Equal(2, RatioCommand.Run(["--filter", "self", "--out", _path], TextWriter.Null, errors));
        Assert.Contains("--out with --filter", errors.ToString(), StringComparison.Ordinal);
        Assert.Empty(File.ReadAllText(_path));
    }

    private static RatioReport Report => RatioReport.Of(
        [
            new RatioResult("case", IsTuned: false, new(3, 4), new(1, 1), 2.5),
            new RatioResult("only default", IsTuned: false, new(1, 1), new(1, 1), 1),
            new RatioResult("case", IsTuned: true, new(2, 2), new(1, 1), 2.1),
        ],
        [new MemoryResult("streamed", 40 << 20, 2 << 20, 20)],
        "0.1 0.2 0.3",
        threads: 1);
}
