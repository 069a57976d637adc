namespace LmKit.Tuning.Tests;

public class SplitMixTests
{
    [Fact]
    public void The_published_numbers_come_out()
    {
        var random = new SplitMix(0);
        Assert.Equal([0xe220a8397b1dcdafUL, 0x6e789e6aa1b965f4UL, 0x06c45d188009454fUL], new[] { random.Next(), random.Next(), random.Next() });
    }

    [Theory]
    [InlineData(10, 0, 0, "9 0 1 4 8 2 3 7 6 5")]
    [InlineData(10, 42, 0, "7 4 9 3 0 1 8 6 5 2")]
    [InlineData(10, 42, 1, "0 5 9 8 1 6 4 7 2 3")]
    [InlineData(7, 1, 3, "1 3 5 2 6 0 4")]
    public void Orders_of_epochs_are_fixed_by_seed_and_epoch(int count, long seed, long epoch, string expected) =>
        Assert.Equal(expected, string.Join(' ', SplitMix.Permutation(count, seed, epoch)));
}
