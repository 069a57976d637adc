using LmKit.Conformance;
using TorchSharp;
using Xunit.Sdk;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class CloseTests
{
    [Fact]
    public void The_worst_entry_is_named_with_its_index()
    {
        using var scope = NewDisposeScope();
        var expected = zeros(2, 3, dtype: ScalarType.Float64);
        var actual = expected.clone();
        actual[0, 1] = 0.1;
        actual[1, 2] = 0.5;

        var error = Assert.ThrowsAny<XunitException>(() => Close.Check("y", expected, actual, absolute: 0.01));

        Assert.Contains("y[1, 2]: expected 0, got 0.5", error.Message, StringComparison.Ordinal);
        Assert.Contains("2 of 6", error.Message, StringComparison.Ordinal);
        Close.Check("y", expected, actual, absolute: 0.5);
    }

    [Theory]
    [InlineData(double.NaN, double.NaN, false)]
    [InlineData(1, double.NaN, false)]
    [InlineData(double.NaN, 1, false)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity, true)]
    [InlineData(double.PositiveInfinity, double.NegativeInfinity, false)]
    [InlineData(1e300, double.PositiveInfinity, false)]
    public void Nan_equals_nothing_and_an_infinity_only_itself(double expected, double actual, bool isClose)
    {
        using var scope = NewDisposeScope();
        void Check() => Close.Check("y", tensor([expected]), tensor([actual]), absolute: 1, relative: 1, relativeToLargest: 1);

        if (isClose)
            Check();
        else
            Assert.ThrowsAny<XunitException>(Check);
    }

    [Fact]
    public void Shapes_must_agree_without_broadcasting()
    {
        using var scope = NewDisposeScope();
        var error = Assert.ThrowsAny<XunitException>(() => Close.Check("y", zeros(1, 3), zeros(2, 3)));

        Assert.Contains("(1, 3)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tolerances_are_relative_to_the_entry_or_to_the_largest()
    {
        using var scope = NewDisposeScope();
        var (expected, actual) = (tensor([100.0, 1.0]), tensor([100.9, 1.5]));

        Assert.ThrowsAny<XunitException>(() => Close.Check("y", expected, actual, relative: 0.01));
        Close.Check("y", expected, actual, relativeToLargest: 0.01);
    }

    [Fact]
    public void Complex_parts_are_compared()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (complex(tensor([1.0]), tensor([2.0])), complex(tensor([1.0]), tensor([2.5])));

        Assert.ThrowsAny<XunitException>(() => Close.Check("z", a, b, absolute: 0.1));
        Close.Check("z", a, b, absolute: 0.6);
    }
}
