using LmKit.Benchmarks.Ratios;

namespace LmKit.Benchmarks.Tests;

public sealed class ReadmeFiguresTests : IDisposable
{
    private const string head = "before\n\n[//]: # \"ratios: against torch\"\n[//]: # \"ratio: the step | step, batch 1\"\n[//]: # \"ratio: its memory | step [peak memory]\"\n";
    private const string block = "\n| against torch | default | tuned | aim |\n|---|---|---|---|\n| the step | 3.00 | 2.00 | 2.50 met / 2.00 met tuned |\n| its memory | 20.00 | - | 20.00 met |\n\n";
    private const string tail = "[//]: # \"ratios end\"\n\nafter\n";
    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_block_is_made_from_the_rows_that_it_names()
    {
        var made = ReadmeFigures.Read("README.md", head + tail, Table());

        Assert.Equal(head + block + tail, made.Text);
        Assert.Empty(made.Problems);
        Assert.NotEmpty(made.Differences);
    }

    [Fact]
    public void What_is_made_is_left_as_it_is()
    {
        var again = ReadmeFigures.Read("README.md", head + block + tail, Table());

        Assert.Equal(head + block + tail, again.Text);
        Assert.Empty(again.Problems.Concat(again.Differences));
    }

    [Fact]
    public void A_figure_that_is_not_the_tables_is_named_with_the_file_and_what_to_do()
    {
        var old = ReadmeFigures.Read("src/X/README.md", head + block.Replace("3.00", "3.10", StringComparison.Ordinal) + tail, Table());

        var difference = Assert.Single(old.Differences);
        Assert.Contains("src/X/README.md: the figure 'the step'", difference, StringComparison.Ordinal);
        Assert.Contains("3.10", difference, StringComparison.Ordinal);
        Assert.Contains("3.00", difference, StringComparison.Ordinal);
        Assert.Contains("-- readme", difference, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_put_into_a_block_by_hand_is_named() =>
        Assert.Contains("by hand", Assert.Single(ReadmeFigures.Read("README.md", head + block + "| by hand | 9 | 9 | 9 |\n" + tail, Table()).Differences), StringComparison.Ordinal);

    [Fact]
    public void A_figure_without_a_row_is_named_with_the_file_its_line_and_what_to_do()
    {
        var made = ReadmeFigures.Read("src/X/README.md", (head + tail).Replace("step, batch 1", "step, batch 2", StringComparison.Ordinal), Table());

        var problem = Assert.Single(made.Problems);
        Assert.Contains("src/X/README.md:4", problem, StringComparison.Ordinal);
        Assert.Contains("'the step' has no row 'step, batch 2'", problem, StringComparison.Ordinal);
        Assert.Contains("ratios --filter \"step, batch 2\" --out", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_without_an_end_and_a_row_outside_a_block_are_named_and_nothing_is_lost()
    {
        var (open, outside) = (ReadmeFigures.Read("README.md", head + "after\n", Table()), ReadmeFigures.Read("README.md", "[//]: # \"ratio: x | y\"\n", Table()));

        Assert.Contains("has no end", Assert.Single(open.Problems), StringComparison.Ordinal);
        Assert.Equal(head + "after\n", open.Text);
        Assert.Contains("outside a block", Assert.Single(outside.Problems), StringComparison.Ordinal);
    }

    [Fact]
    public void A_block_in_code_is_an_example()
    {
        var made = ReadmeFigures.Read("README.md", "```\n" + head + tail + "```\n", Table());

        Assert.Empty(made.Problems.Concat(made.Differences));
        Assert.Equal("```\n" + head + tail + "```\n", made.Text);
    }

    [Theory]
    [InlineData("It is 2.4x of torch.")]
    [InlineData("decodes 2.1 times as fast")]
    [InlineData("about 3 times faster than torch")]
    [InlineData("faster than torch: 11.3 / 9.2")]
    [InlineData("ratio of CPU time 1.95")]
    public void A_figure_of_speed_outside_a_block_is_found(string line)
    {
        Assert.Contains("README.md:2", Assert.Single(ReadmeClaims.Untagged("src/X/README.md", "text\n" + line)), StringComparison.Ordinal);
        Assert.Empty(ReadmeClaims.Untagged("src/X/README.md", $"```\n{line}\n```"));
        Assert.Empty(ReadmeClaims.Untagged("src/X/README.md", $"[//]: # \"ratios: x\"\n{line}\n[//]: # \"ratios end\""));
        Assert.Empty(ReadmeClaims.Untagged("docs/results/run.md", line));   // a record of one run
    }

    [Theory]
    [InlineData("TorchSharp 0.107.0 on x64, 2 layers of 4x256")]
    [InlineData("a kernel of 2 taps is faster than one of 3")]
    [InlineData("the loss falls to 1.38 bits per byte")]
    public void Other_figures_are_let_be(string line) => Assert.Empty(ReadmeClaims.Untagged("README.md", line));

    [Fact]
    public void The_command_mends_what_the_check_finds()
    {
        var path = Path.Combine(folder, "README.md");
        File.WriteAllText(path, head + tail);

        Assert.NotEmpty(ReadmeCommand.Problems(folder, Table(), isCheck: true));
        Assert.Equal(head + tail, File.ReadAllText(path));
        Assert.Empty(ReadmeCommand.Problems(folder, Table(), isCheck: false));
        Assert.Empty(ReadmeCommand.Problems(folder, Table(), isCheck: true));
    }

    [Fact]
    public void The_command_names_a_figure_of_speed_that_a_README_states_by_itself()
    {
        File.WriteAllText(Path.Combine(folder, "README.md"), "It takes 0.5x of torch's time.\n");

        Assert.Contains("README.md:1: '0.5x' is a figure of speed without a row", Assert.Single(ReadmeCommand.Problems(folder, Table(), isCheck: true)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_repositorys_texts_show_what_its_table_records() =>
        Assert.Equal([], ReadmeCommand.Problems(RepositoryFiles.Root, RatioTable.Open(RepositoryFiles.Table), isCheck: true));

    [Fact]
    public void Every_row_of_the_table_is_of_a_case_that_there_is() =>
        Assert.Equal([], RatioTable.Open(RepositoryFiles.Table).Rows.Keys.Except(RatioCaseList.Names));

    private RatioTable Table()
    {
        string[] order = ["step, batch 1", "step [peak memory]"];
        var path = Path.Combine(folder, "ratios.txt");
        var table = RatioTable.Open(path);
        table.Put(RatioRow.Of(new RatioResult(order[0], false, new(3, 4), new(1, 1), 2.5), new RatioResult(order[0], true, new(2, 2.6), new(1, 1), 2), "today"), order);
        table.Put(RatioRow.Of(new MemoryResult("step", 40 << 20, 2 << 20, 20), "today"), order);
        return table;
    }
}
