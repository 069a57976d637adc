using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests;

public sealed class AgreementTests : IDisposable
{
    private readonly DisposeScope _scope;

    public AgreementTests()
    {
        LibTorch.EnsureLoaded();
        _scope = NewDisposeScope();
    }

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void The_tolerance_is_relative_to_the_largest_magnitude()
    {
        var baseline = tensor(new[] { 100.0, 0.0 });

        Assert.Null(Agreement.Difference([baseline], [baseline + 0.9], 0.01));
        Assert.Contains("1.1", Agreement.Difference([baseline], [baseline + 1.1], 0.01), StringComparison.Ordinal);
    }

    [Fact]
    public void Not_a_number_never_agrees()
    {
        var broken = tensor(new[] { 1.0, double.NaN });

        Assert.NotNull(Agreement.Difference([ones(2)], [broken], 1));
        Assert.NotNull(Agreement.Difference([broken], [broken], 1));
    }

    [Fact]
    public void Counts_and_shapes_must_be_the_same()
    {
        Assert.Contains("1 tensors, ours 0", Agreement.Difference([ones(1)], [], 1), StringComparison.Ordinal);
        Assert.Contains("(2, 3), ours (3, 2)", Agreement.Difference([ones(2, 3)], [ones(3, 2)], 1), StringComparison.Ordinal);
        Assert.Null(Agreement.Difference([ones(0, 3)], [ones(0, 3)], 0));
    }

    [Fact]
    public void A_case_whose_sides_disagree_gets_no_ratio()
    {
        var wrong = new RatioCase("wrong", 1, 1, _ => new RatioSides(() => [ones(2)], () => [ones(2) * 2]));

        Assert.Contains("wrong", Assert.Throws<RatioDisagreementException>(() => RatioMeasurement.Run(wrong, isTuned: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_side_that_works_twice_as_much_takes_about_twice_the_time()
    {
        var input = ones(400, 400);
        var twice = new RatioCase("twice", 1, 1, _ => new RatioSides(() => [Steps(input, 8)], () => [Steps(input, 4)]));

        Assert.InRange(RatioMeasurement.Run(twice, isTuned: false).CpuRatio, 1.4, 2.8);
    }

    // The value is the same for any number of steps: a mean over rows of ones.
    private static Tensor Steps(Tensor input, int count)
    {
        var value = input;
        for (var step = 0; step < count; step++)
        {
            value = value.mm(input) / 400;
        }

        return value;
    }
}
