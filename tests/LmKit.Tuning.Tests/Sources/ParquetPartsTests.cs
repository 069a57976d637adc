using System.Runtime.CompilerServices;
using System.Text;

namespace LmKit.Tuning.Tests;

public class ParquetPartsTests
{
    private const int Delta = 7;

    // Both files were written by DuckDB 1.5: a dictionary and plain pages of the first version, DELTA_LENGTH_BYTE_ARRAY of the second.
    [Theory]
    [InlineData("duckdb-v1-zstd.parquet")]
    [InlineData("duckdb-v2-snappy.parquet")]
    public async Task Files_of_another_writer_come_out_as_they_went_in(string name)
    {
        var rows = new List<(string, string)>();
        await foreach (var document in new ParquetSource([File(name)], idColumn: "id"))
            rows.Add((document.Id, document.Text));
        Assert.Equal(Enumerable.Range(0, 60).Select(row => ($"id{row}", row % 5 == 0 ? "" : $"row {row} \u00e9{new string('x', row % 7)}")), rows);
        rows.Clear();
        await foreach (var document in new ParquetSource([File(name)], "kind", "text"))
            rows.Add((document.Id, document.Text));
        Assert.Equal(Enumerable.Range(0, 60).Select(row => $"kind {row % 3}"), rows.Select(row => row.Item2));
    }

    [Fact]
    public void Deltas_of_texts_are_pieced_together_of_the_text_before()
    {
        // Prefixes 0, 2, 3 and suffixes "axis", "le", "" of: axis, axle, axl. One block of 128 numbers in 4 parts, of which one has bits.
        byte[] prefixes = [0x80, 1, 4, 3, 0, 2, 1, 0, 0, 0, 1, 0, 0, 0]; // first 0; least 1; then 2 - 0 - 1 = 1, 3 - 2 - 1 = 0 in one bit each
        byte[] suffixes = [0x80, 1, 4, 3, 8, 3, 0, 0, 0, 0]; // first 4, then twice 2 less
        byte[] page = [.. prefixes, .. suffixes, .. "axisle"u8];
        var texts = new TextPage();
        texts.Begin(page, 0, page.Length, Delta, 3, [], []);
        Assert.Equal(["axis", "axle", "axl"], Enumerable.Range(0, 3).Select(_ => Encoding.UTF8.GetString(texts.Next(out var _))));
        Assert.Throws<InvalidDataException>(() => texts.Next(out var _).Length);
    }

    [Fact]
    public void Deltas_of_more_numbers_than_values_are_refused_unread()
    {
        byte[] page = [0x80, 1, 4, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 0, 0];
        var texts = new TextPage();
        Assert.Contains("of 3 values claims", Assert.Throws<InvalidDataException>(() => texts.Begin(page, 0, page.Length, Delta, 3, [], [])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_and_packed_numbers_follow_each_other_and_end_with_their_bytes()
    {
        // Four times 5, then 0 to 7 in three bits each.
        byte[] bytes = [8, 5, 3, 0b10001000, 0b11000110, 0b11111010];
        var numbers = new RunLengths(bytes, 0, bytes.Length, 3);
        var read = new List<uint>();
        for (var index = 0; index < 12; index++)
            read.Add(numbers.Next());
        Assert.Equal([5u, 5, 5, 5, 0, 1, 2, 3, 4, 5, 6, 7], read);
        Assert.Throws<InvalidDataException>(() => numbers.Next());
        Assert.Throws<InvalidDataException>(() => new RunLengths([0, 1], 0, 2, 3).Next());
        Assert.Throws<InvalidDataException>(() => new RunLengths([2, 9], 0, 2, 3).Next());
    }

    [Theory]
    [InlineData(new byte[] { 9, 0, 97, 0b10001, 1 }, "aaaaaaaaa")] // a literal, and eight from one before, which reaches into itself
    [InlineData(new byte[] { 4, 12, 97, 98, 99, 100 }, "abcd")]
    public void A_snappy_block_unpacks_to_its_bytes_and_no_others(byte[] packed, string expected)
    {
        var into = new byte[expected.Length];
        Assert.Equal(expected.Length, BlockCodecs.UnpackSnappy(packed, into));
        Assert.Equal(expected, Encoding.UTF8.GetString(into));
        Assert.Throws<InvalidDataException>(() => BlockCodecs.UnpackSnappy(packed, new byte[expected.Length - 1]));
        Assert.Throws<InvalidDataException>(() => BlockCodecs.UnpackSnappy([3, 1, 1], new byte[3]));
    }

    private static string File(string name, [CallerFilePath] string here = "") => Path.Combine(Path.GetDirectoryName(here)!, "Files", name);
}
