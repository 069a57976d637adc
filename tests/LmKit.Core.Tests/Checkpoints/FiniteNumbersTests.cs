using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class FiniteNumbersTests
{
    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void A_number_that_is_not_finite_is_found_wherever_it_stands(ScalarType dtype)
    {
        foreach (var length in new[] { 1, 3, 31, 32, 33, 64, 101, 300_007 }) // the last one goes beyond a piece
        {
            foreach (var place in new[] { 0, length / 2, length - 1 })
            {
                foreach (var value in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
                {
                    using var scope = NewDisposeScope();
                    var numbers = ones(length, dtype);
                    Assert.True(FiniteNumbers.All(numbers));
                    numbers.narrow(0, place, 1).fill_(value);
                    Assert.False(FiniteNumbers.All(numbers), $"{value} at {place} of {length}");
                }
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16, 65504, 6e-8)]
    [InlineData(ScalarType.BFloat16, 3.38e38, 1e-40)]
    [InlineData(ScalarType.Float32, 3.4028234e38, 1e-45)]
    [InlineData(ScalarType.Float64, double.MaxValue, double.Epsilon)]
    public void The_largest_and_the_smallest_numbers_are_finite(ScalarType dtype, double largest, double smallest)
    {
        using var scope = NewDisposeScope();
        var numbers = tensor(new[] { largest, -largest, smallest, -smallest, 0.0, -0.0 }).to(dtype).repeat(20);
        Assert.True(numbers.isfinite().all().item<bool>());
        Assert.True(FiniteNumbers.All(numbers));
    }

    [Fact]
    public void Strides_offsets_whole_numbers_and_emptiness_are_seen_as_they_are()
    {
        using var scope = NewDisposeScope();
        var pairs = stack([ones(70), full(70, double.NaN)], -1); // (70, 2)
        Assert.True(FiniteNumbers.All(pairs.select(1, 0)));
        Assert.False(FiniteNumbers.All(pairs.select(1, 1)));
        var row = cat([full(3, double.NaN), ones(70)]);
        Assert.True(FiniteNumbers.All(row.narrow(0, 3, 70)));
        Assert.False(FiniteNumbers.All(row.narrow(0, 2, 71)));
        Assert.True(FiniteNumbers.All(tensor(new[] { long.MaxValue, -1 })));
        Assert.True(FiniteNumbers.All(ones(4, ScalarType.Bool)));
        Assert.True(FiniteNumbers.All(empty(0)));
        Assert.True(FiniteNumbers.All(empty([3], device: META)));
    }
}
