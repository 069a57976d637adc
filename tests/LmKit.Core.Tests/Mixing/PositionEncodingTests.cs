using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class PositionEncodingTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Rotary_turns_each_pair_by_position_times_frequency(bool isInterleaved)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var x = randn([1, 1, 3, 6], ScalarType.Float64, generator: random);
        var y = new RotaryEmbedding(4, 100, isInterleaved).EncodeQueries(x, tensor(new long[] { 0, 5, 70_000 }, [1, 3]));
        var expected = x.clone();
        foreach (var (row, position) in new[] { 0.0, 5, 70_000 }.Index())
        {
            for (var pair = 0; pair < 2; pair++)
            {
                var (first, second) = isInterleaved ? (2 * pair, 2 * pair + 1) : (pair, pair + 2);
                var phase = position * Math.Pow(100, -2.0 * pair / 4);
                var (a, b) = (x[0, 0, row, first].item<double>(), x[0, 0, row, second].item<double>());
                expected[0, 0, row, first] = a * Math.Cos(phase) - b * Math.Sin(phase);
                expected[0, 0, row, second] = b * Math.Cos(phase) + a * Math.Sin(phase);
            }
        }

        Close.Check("turned", expected, y, absolute: 1e-10);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(-2)]
    public void Rotary_needs_pairs(long width) => Assert.Throws<ArgumentException>(() => new RotaryEmbedding(width));

    [Theory]
    [InlineData(1, new[] { 1.0 / 256 })]
    [InlineData(2, new[] { 1.0 / 16, 1.0 / 256 })]
    [InlineData(4, new[] { 1.0 / 4, 1.0 / 16, 1.0 / 64, 1.0 / 256 })]
    [InlineData(3, new[] { 1.0 / 16, 1.0 / 256, 1.0 / 4 })]
    public void Alibi_slopes_are_powers_of_two(int headCount, double[] slopes) => Assert.Equal(slopes, new AlibiEncoding(headCount).Slopes.ToArray());

    [Fact]
    public void Alibi_lowers_scores_by_slope_times_distance()
    {
        using var scope = NewDisposeScope();
        var bias = new AlibiEncoding(2).Bias(tensor(new long[] { 0, 3, -2 }, [1, 1, 3]), ScalarType.Float64)!;

        Close.Check("bias", tensor(new[] { 0, -3.0 / 16, -2.0 / 16, 0, -3.0 / 256, -2.0 / 256 }, [1, 2, 1, 3]), bias, absolute: 1e-15);
    }
}
