using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioTableTests : IDisposable
{
    private static readonly string[] order = ["first", "second", "streamed [peak memory]"];
    private readonly string path = Path.GetTempFileName();

    public void Dispose() => File.Delete(path);

    [Fact]
    public void The_text_around_the_table_is_kept()
    {
        File.WriteAllText(path, $"before\n{RatioTable.Start}\n{RatioTable.End}\nafter\n");

        Put(Time("first"));

        var text = File.ReadAllText(path);
        Assert.StartsWith($"before\n{RatioTable.Start}\nmachine, 1 thread(s).\n", text, StringComparison.Ordinal);
        Assert.EndsWith($"{RatioTable.End}\nafter\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_case_is_one_row_with_both_allocators_both_targets_and_its_own_date_and_load()
    {
        Assert.Equal("| first | 3.00 | 4.00 | 2.00 | 2.10 | 2.50 met / 2.20 short tuned | today, load 0.1 |\n", Time("first").ToString());
        Assert.Equal("| only default | 1.00 | 1.00 | - | - | 1.00 met | today |\n", RatioRow.Of(new RatioResult("only default", false, new(1, 1), new(1, 1), 1), null, "today").ToString());
        Assert.Equal("| streamed | 40.0 | 2.0 | 20.00 | 20.00 met | today |\n", RatioRow.Of(new MemoryResult("streamed", 40 << 20, 2 << 20, 20), "today").ToString());
    }

    [Fact]
    public void Where_the_clock_alone_counts_the_processor_time_is_no_claim()
    {
        var threads = RatioRow.Of(new RatioResult("threads", false, new(2, 1), new(1, 1), 1) { CountsWallOnly = true }, null, "today");

        Assert.Equal("| threads | 2.00 | - | - | - | 1.00 met | today |\n", threads.ToString());
        Assert.Equal(2, threads.Default);
    }

    [Fact]
    public void A_row_reads_back_as_what_was_written()
    {
        foreach (var row in new[] { Time("first"), RatioRow.Of(new MemoryResult("streamed", 40 << 20, 2 << 20, 20), "today") })
        {
            var back = RatioRow.Parse(row.ToString(), row.IsMemory);

            Assert.Equal(row.ToString(), back.ToString());
            Assert.Equal((row.Name, row.Default, row.Tuned), (back.Name, back.Default, back.Tuned));
        }

        Assert.Equal((3.0, 2.0), (Time("first").Default, Time("first").Tuned));   // the lower of wall and CPU
    }

    [Fact]
    public void Parts_measured_one_after_another_make_one_table_in_the_order_of_the_cases()
    {
        File.Delete(path);

        Put(RatioRow.Of(new MemoryResult("streamed", 40 << 20, 2 << 20, 20), "today"));
        Put(Time("second"));
        Put(Time("first"));
        Put(Time("second") with { Measured = "later" });

        var rows = RatioTable.Open(path).Rows;
        Assert.Equal(order, rows.Keys);
        Assert.Equal(("later", "today, load 0.1"), (rows["second"].Measured, rows["first"].Measured));
    }

    [Fact]
    public void What_somebody_writes_into_the_file_meanwhile_is_kept()
    {
        Put(Time("first"));
        var table = RatioTable.Open(path);
        table.Require("machine, 1 thread(s)");
        Put(Time("second"));
        File.AppendAllText(path, "a remark\n");

        table.Put(Time("first") with { Measured = "later" }, order);

        Assert.Equal(["first", "second"], RatioTable.Open(path).Rows.Keys);
        Assert.EndsWith("a remark\n", File.ReadAllText(path), StringComparison.Ordinal);
    }

    [Fact]
    public void A_row_whose_case_is_gone_goes_with_it()
    {
        Put(Time("gone"), [.. order, "gone"]);
        Put(Time("first"));

        Assert.Equal(["first"], RatioTable.Open(path).Rows.Keys);
    }

    [Fact]
    public void Rows_of_two_machines_do_not_stand_in_one_table()
    {
        Put(Time("first"));

        var problem = Assert.Throws<ArgumentException>(() => RatioTable.Open(path).Require("another machine, 1 thread(s)"));
        Assert.Contains("another machine", problem.Message, StringComparison.Ordinal);
        Assert.Contains(path, problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_without_the_marks_is_refused_and_left_alone()
    {
        File.WriteAllText(path, "text");

        Assert.Contains(RatioTable.Start, Assert.Throws<ArgumentException>(() => RatioTable.Open(path)).Message, StringComparison.Ordinal);
        Assert.Equal("text", File.ReadAllText(path));
    }

    [Theory]
    [InlineData("| first | 3.00 | 4.00 |", "cells")]
    [InlineData("| first | 3.00 | four | 2.00 | 2.10 | 1.00 met | today |", "'four'")]
    public void A_line_that_is_no_row_is_named(string line, string expected)
    {
        File.WriteAllText(path, $"{RatioTable.Start}\nmachine.\n\n{RatioRow.TimeHead}{line}\n{RatioTable.End}");

        Assert.Contains(expected, Assert.Throws<ArgumentException>(() => RatioTable.Open(path)).Message, StringComparison.Ordinal);
    }

    private void Put(RatioRow row, string[]? order = null)
    {
        if (File.Exists(path) && new FileInfo(path).Length == 0)
            File.Delete(path);

        var table = RatioTable.Open(path);
        table.Require("machine, 1 thread(s)");
        table.Put(row, order ?? RatioTableTests.order);
    }

    private static RatioRow Time(string name) => RatioRow.Of(
        new RatioResult(name, IsTuned: false, new(3, 4), new(1, 1), 2.5),
        new RatioResult(name, IsTuned: true, new(2, 2.1), new(1, 1), 2.2),
        "today, load 0.1");
}
