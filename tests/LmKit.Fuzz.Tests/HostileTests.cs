namespace LmKit.Fuzz.Tests;

public class HostileTests
{
    [Fact]
    public void The_table_has_a_row_for_every_case_and_no_other() =>
        Assert.Equal(HostileTable.Cases().Select(hostile => hostile.Name).Order(StringComparer.Ordinal), HostileTable.Rows().Select(row => row.Name).Order(StringComparer.Ordinal));

    [Fact]
    public void Every_committed_file_is_part_of_a_row()
    {
        var used = HostileTable.Rows().Where(row => row.Files is not null).SelectMany(row => row.Files!.Values).ToHashSet(StringComparer.Ordinal);

        Assert.Equal(used.Append("table.json").Order(StringComparer.Ordinal), Directory.EnumerateFiles(HostileTable.Folder, "*", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(HostileTable.Folder, file).Replace('\\', '/'))
            .Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_row_says_what_is_to_come_of_it() =>
        Assert.Empty(HostileTable.Rows().Where(row => row.Expected switch
        {
            Expectation.Refused => row.Exception is null || row.Value is not null,
            Expectation.Value => row.Value is null || row.Exception is not null,
            _ => false,
        }).Select(row => row.Name));

    [Theory]
    [InlineData(nameof(Expectation.Refused), nameof(Outcome.Refused), "A", null)]
    [InlineData(nameof(Expectation.Refused), nameof(Outcome.Refused), "B", "refused by B, not by A")]
    [InlineData(nameof(Expectation.Refused), nameof(Outcome.Accepted), "", "it was read")]
    [InlineData(nameof(Expectation.Refused), nameof(Outcome.WrongType), "A", "WrongType A")]
    [InlineData(nameof(Expectation.Value), nameof(Outcome.Accepted), "", null)]
    [InlineData(nameof(Expectation.Value), nameof(Outcome.Refused), "A", "it is legal")]
    [InlineData(nameof(Expectation.Either), nameof(Outcome.Refused), "A", null)]
    [InlineData(nameof(Expectation.Either), nameof(Outcome.Hang), "", "Hang")]
    public void A_reading_is_compared_with_its_row(string expected, string outcome, string exception, string? fault)
    {
        var row = new HostileRow("a", "b", "c", null, Enum.Parse<Expectation>(expected), "A", null);

        var found = row.Fault(new CaseReading(Enum.Parse<Outcome>(outcome), "d", exception, "", default, 0));

        if (fault is null)
            Assert.Null(found);
        else
            Assert.Contains(fault, found, StringComparison.Ordinal);
        Assert.NotNull((row with { Expected = Expectation.Value, Value = "x" }).Fault(new CaseReading(Outcome.Accepted, "d", "", "", default, 0)));
    }
}
