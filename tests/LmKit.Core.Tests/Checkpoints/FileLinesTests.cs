using System.Text;

namespace LmKit.Core.Tests;

public sealed class FileLinesTests : IDisposable
{
    private const int Buffered = 1 << 16;
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("one")]
    [InlineData("one\n")]
    [InlineData("one\n\ntwo\nthree")]
    public void Lines_come_without_their_ends_and_the_last_says_whether_it_had_one(string text)
    {
        var parts = text.Split('\n');
        var expected = parts.SkipLast(1).Select(line => (line, true)).Concat(parts[^1].Length > 0 ? [(parts[^1], false)] : []);
        Assert.Equal(expected, Read(text, 100));
    }

    [Theory]
    [InlineData(1, 10)]
    [InlineData(Buffered - 1, 3)]
    [InlineData(Buffered, 3)]
    [InlineData(Buffered + 1, 3)]
    [InlineData(3 * Buffered + 5, 2)]
    public void A_line_may_end_anywhere_in_what_is_read_at_a_time(int length, int count)
    {
        string[] lines = [.. Enumerable.Range(0, count).Select(line => new string((char)('a' + line), length + line))];
        Assert.Equal(lines.Select(line => (line, true)), Read(string.Concat(lines.Select(line => line + "\n")), length + count));
        Assert.Equal(lines.Select((line, index) => (line, index < count - 1)), Read(string.Join('\n', lines), length + count));
    }

    [Theory]
    [InlineData("12345\n1\n", 1)]
    [InlineData("12345", 1)]
    [InlineData("1\n1234\n12345\n", 3)]
    [InlineData("1\n\n12345", 3)]
    public void A_line_that_is_too_long_is_refused_by_its_number_from_one(string text, int number)
    {
        Assert.Equal($"line {number}", Assert.Throws<InvalidDataException>(() => Read(text, 4)).Message);
        Assert.Equal(text.Split('\n', StringSplitOptions.RemoveEmptyEntries), Read(text, 5).Select(line => line.Text).Where(line => line.Length > 0));
    }

    [Fact]
    public void Reading_begins_where_the_file_stands()
    {
        File.WriteAllText(folder["a"], "skipped\none\n");
        using var file = Open();
        file.Position = 8;
        Assert.Equal("one", Encoding.UTF8.GetString(Assert.Single(FileLines.Read(file, 3, number => new InvalidDataException($"line {number}"))).Bytes));
    }

    private List<(string Text, bool IsWhole)> Read(string text, long longest)
    {
        File.WriteAllText(folder["a"], text);
        using var file = Open();
        return [.. FileLines.Read(file, longest, number => new InvalidDataException($"line {number}")).Select(line => (Encoding.UTF8.GetString(line.Bytes), line.IsWhole))];
    }

    private FileStream Open() => new(folder["a"], FileMode.Open, FileAccess.Read, FileShare.Read, 1);
}
