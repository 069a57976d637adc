namespace LmKit.Tuning.Tests;

public class BestFitPackingTests
{
    [Fact]
    public void Every_token_that_fits_is_packed_once_and_no_row_overflows()
    {
        var random = new SplitMix(4);
        int[] lengths = [.. Enumerable.Range(0, 5000).Select(_ => (int)random.Below(300))];
        foreach (var splits in new[] { false, true })
        {
            var plan = BestFitPacking.Plan(lengths, 200, splits);
            Assert.All(plan.Rows, row => Assert.InRange(row.Sum(piece => plan.Pieces[piece].Length), 1, 200));
            Assert.Equal(Enumerable.Range(0, plan.Pieces.Count), plan.Rows.SelectMany(row => row).Order());
            Assert.Equal(lengths.Sum(length => splits ? length : Math.Min(length, 200)), plan.Pieces.Sum(piece => piece.Length));
            Assert.True(plan.Fill > 0.97);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(128)]
    public void Documents_as_long_as_a_row_fill_it(int capacity)
    {
        var plan = BestFitPacking.Plan([capacity, 0, capacity], capacity);
        Assert.Equal(2, plan.Rows.Count);
        Assert.Equal(1, plan.Fill);
    }

    [Fact]
    public void Nothing_makes_no_row() => Assert.Empty(BestFitPacking.Plan([], 8).Rows);
}
