namespace LmKit.LossHashes.Tests;

public class PrintedFiguresTests
{
    [Theory]
    [InlineData("| TopK 4 | 0.761 | -4.0 | NaN |", "0.761 -4.0 NaN")]
    [InlineData("[  0.4 s] lambda 1: 101.22 against 77.64", "101.22 77.64")]
    [InlineData("steps in 2.5 s, loss 1,024.5 and 1.5e-7", "1,024.5 1.5e-7")]
    [InlineData("the most 0.5 of a small set", "0.5")]
    [InlineData("128 directions, 2026-11-30", "")]
    [InlineData("step 1/6  loss 5.696  5.565 bits/byte  2,304 tokens/s  3.4 kB/s  0:00 left", "")]
    [InlineData("teacher 8/20  loss 1.876", "")]
    [InlineData("seed 0, base: step 30/30, loss 3.099, 4 s", "")]
    [InlineData("hybrid's decode speed over the Transformer's | at least 1.5 | 1.079 |", "")]
    [InlineData("at commit ea73aa2ff2, 1.5 s in all", "")]
    [InlineData("top-AFA, afa 1/32: L0 49.1, recovered 0.000", "49.1 0.000")]
    public void Figures_are_numbers_with_a_point_that_no_clock_decides(string line, string expected) =>
        Assert.Equal(expected, string.Join(' ', PrintedFigures.Of(line)));
}
