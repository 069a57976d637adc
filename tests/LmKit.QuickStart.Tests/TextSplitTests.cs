using System.Globalization;

namespace LmKit.QuickStart.Tests;

public class TextSplitTests
{
    private static TextFile[] Files(params int[] lengths) =>
        lengths.Select((length, index) => new TextFile($"{index:D3}", new string((char)('A' + (index % 26)), length) + "\n")).ToArray();

    [Fact]
    public void Every_file_stands_whole_in_exactly_one_part()
    {
        var files = Enumerable.Range(0, 50).Select(index => new TextFile($"{index:D3}", $"[{index}]" + new string('x', 100 * (index % 7)) + "\n")).ToArray();

        var split = TextSplit.ByWholeFiles("test", files);

        Assert.All(files, file => Assert.True(split.Training.Contains(file.Text, StringComparison.Ordinal) != split.Validation.Contains(file.Text, StringComparison.Ordinal)));
        Assert.Equal(files.Sum(file => file.Text.Length), split.Training.Length + split.Validation.Length);
        Assert.Equal(split.HeldOut, files.Where(file => split.Validation.Contains(file.Text, StringComparison.Ordinal)).Select(file => file.Name));
    }

    [Fact]
    public void Every_twelfth_file_in_order_of_name_is_held_out()
    {
        var split = TextSplit.ByWholeFiles("test", Files(Enumerable.Repeat(10, 36).ToArray()));

        var places = split.HeldOut.Select(name => int.Parse(name, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(3, places.Length);
        Assert.All(places.Zip(places[1..]), pair => Assert.Equal(12, pair.Second - pair.First));
    }

    [Fact]
    public void The_order_in_which_files_are_found_does_not_matter()
    {
        var files = Files(5, 80, 30, 44, 9, 100, 3, 27, 61, 15, 90, 33, 12, 70);

        Assert.Equal(TextSplit.ByWholeFiles("test", files).HeldOut, TextSplit.ByWholeFiles("test", files.Reverse()).HeldOut);
    }

    [Fact]
    public void One_huge_file_is_not_held_out()
    {
        var lengths = Enumerable.Repeat(100, 36).ToArray();
        lengths[0] = 100_000;

        Assert.DoesNotContain("000", TextSplit.ByWholeFiles("test", Files(lengths)).HeldOut);
    }

    [Fact]
    public void Two_files_are_split_one_and_one() =>
        Assert.Equal(["001"], TextSplit.ByWholeFiles("test", Files(100, 10)).HeldOut);

    [Fact]
    public void Files_without_a_last_line_end_are_not_glued_together() =>
        Assert.Contains("first\nsecond\n", TextSplit.ByWholeFiles("test", [new("a", "first"), new("b", "second"), new("c", "x")]).Training, StringComparison.Ordinal);

    [Fact]
    public void A_single_file_is_refused_with_the_remedy() =>
        Assert.Contains("single file", Assert.Throws<InvalidDataException>(() => TextSplit.ByWholeFiles("test", Files(10))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_tail_split_loses_nothing_and_cuts_at_a_line()
    {
        var text = string.Concat(Enumerable.Range(0, 1200).Select(line => $"line {line}\n"));

        var split = TextSplit.ByTail("test", text);

        Assert.Equal(text, split.Training + split.Validation);
        Assert.EndsWith("\n", split.Training, StringComparison.Ordinal);
        Assert.InRange(split.Validation.Length, text.Length / 13, text.Length / 12);
    }

    [Fact]
    public void A_tail_split_never_cuts_a_character_in_two()
    {
        var text = string.Concat(Enumerable.Repeat("\U0001F600", 13));
        foreach (var prefix in new[] { "", "a" })
            Assert.False(char.IsLowSurrogate(TextSplit.ByTail("test", prefix + text).Validation[0]));
    }

    [Theory]
    [InlineData("")]
    [InlineData("a")]
    public void A_text_too_short_for_two_parts_is_refused(string text) =>
        Assert.Contains("longer", Assert.Throws<InvalidDataException>(() => TextSplit.ByTail("test", text)).Message, StringComparison.Ordinal);
}
