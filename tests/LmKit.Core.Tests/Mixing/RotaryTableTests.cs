using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

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

    [Theory]
    [InlineData(64)]
    [InlineData(32_768)]
    public void A_long_text_goes_on_in_the_same_memory_and_reads_its_late_rows_from_it(int width)
    {
        var table = RotaryTable.Of(RotaryFrequencies.Plain(width, 54_321));
        var (row, last) = (new double[width], new double[width]);
        var step = width == 64 ? 1 : 4096;
        for (var position = 0L; position < 1_000_000; position += step)
            table.Read(position, row);
        table.Read(999_999, last);

        Assert.InRange(table.HeldRows * (long)width * sizeof(double), 1, RotaryTable.LargestBytes);
        Assert.True(table.Holds(999_999));
        Assert.Equal(Math.Cos(999_999), last[0], 1e-9);
        Assert.False(table.Holds(0));
    }

    // Late and early texts in turn, which stand in each other's places.
    [Fact]
    public void An_early_text_gets_its_rows_back_and_never_reads_those_of_a_late_one()
    {
        var table = RotaryTable.Of(RotaryFrequencies.Plain(64, 999));
        var row = new double[64];
        table.Read(1L << 40, row);
        for (var reads = 0; reads < 128; reads++)
        {
            table.Read(5, row);
            Assert.Equal(Math.Cos(5), row[0], 1e-12);
        }

        Assert.True(table.Holds(5));
        Assert.False(table.Holds(1L << 40));
        table.Read(1L << 40, row);
        Assert.Equal(Math.Cos(1L << 40), row[0], 1e-12);
        Assert.True(table.Holds(1L << 40));
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

    // Rows of their own positions, and rows that share theirs; heads that turn whole, in part, and as neighbours; memory in another order.
    [Theory]
    [InlineData(20, 20, false)]
    [InlineData(20, 6, false)]
    [InlineData(64, 64, false)]
    [InlineData(20, 8, true)]
    public void One_pass_has_the_bits_of_library_operations(long width, long rotaryDim, bool isInterleaved)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var rotary = new RotaryEmbedding(rotaryDim, isInterleaved: isInterleaved);
        var x = randn([2, 33, 3, width], generator: random).transpose(1, 2);
        foreach (var positions in new[] { arange(33, dtype: ScalarType.Int64).unsqueeze(0), arange(66, dtype: ScalarType.Int64).view(2, 33) })
        {
            foreach (var turn in new Func<Tensor, Tensor, Tensor>[] { rotary.EncodeQueries, rotary.DecodeKeys })
            {
                Tensor expected;
                using (KernelSelection.Use(KernelChoice.Reference))
                    expected = turn(x, positions);
                Close.Check($"{positions.size(0)} rows of positions", expected, turn(x, positions));
            }
        }
    }
}
