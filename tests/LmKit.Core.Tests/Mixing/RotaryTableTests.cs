namespace LmKit.Core.Tests;

public sealed class RotaryTableTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(40_000)]
    [InlineData(3_000_000)]
    [InlineData(100_000_000_000)]
    [InlineData(-12)]
    public void A_row_is_the_cosines_and_sines_of_the_position(long position)
    {
        var row = new double[8];
        RotaryTable.Of(RotaryFrequencies.Plain(8, 10_000)).Read(position, row);
        for (var t = 0; t < 4; t++)
        {
            var phase = position * Math.Pow(10_000, -t / 4.0);
            Assert.Equal(Math.Cos(phase), row[t], 1e-4 * Math.Min(1, Math.Abs(position) * 1e-9) + 1e-9);
            Assert.Equal(Math.Sin(phase), row[4 + t], 1e-4 * Math.Min(1, Math.Abs(position) * 1e-9) + 1e-9);
        }
        var narrow = new float[8];
        RotaryTable.Of(RotaryFrequencies.Plain(8, 10_000)).Read(position, narrow);
        Assert.Equal(row.Select(value => (float)value), narrow);
    }

    [Theory]
    [InlineData(32_770)]
    [InlineData(1L << 40)]
    public void A_width_that_no_head_has_is_refused_before_memory_is_asked_for(long width) =>
        Assert.Equal("rotaryDim", Assert.Throws<ArgumentOutOfRangeException>(() => new RotaryEmbedding(width)).ParamName);

    [Fact]
    public void It_keeps_no_more_rows_than_its_bound()
    {
        var table = RotaryTable.Of(RotaryFrequencies.Plain(4096, 12_345));
        var row = new double[4096];
        for (var position = 0L; position < 100_000; position += 64)
            table.Read(position, row);

        Assert.InRange(table.HeldRows * row.Length * sizeof(double), 1, RotaryTable.LargestBytes);
        table.Read(99_999, row);
        Assert.Equal(Math.Cos(99_999), row[0], 1e-9);
    }

    [Fact]
    public void Threads_that_read_a_fresh_table_together_all_read_the_same()
    {
        for (var round = 0; round < 20; round++)
        {
            var table = RotaryTable.Of(RotaryFrequencies.Plain(64, 777 + round));
            var sums = new double[4];
            Parallel.For(0, sums.Length, thread =>
            {
                var row = new double[64];
                for (var position = 0L; position < 600; position++)
                {
                    table.Read(position, row);
                    sums[thread] += row.Sum();
                }
            });
            Assert.Single(sums.Distinct());
        }
    }
}
