using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioMeasurementTests : IDisposable
{
    private readonly DisposeScope _scope;

    public RatioMeasurementTests()
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);   // other test projects run beside this one
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
    public void Work_left_out_raises_both_ratios()
    {
        var input = ones(400, 400);
        var tenth = new RatioCase("tenth", 1, 1, _ => new RatioSides(() => [Steps(input, 10)], () => [Steps(input, 1)]));

        var result = RatioMeasurement.Run(tenth, isTuned: false);

        // Ten times the work; a shared machine may hide much of that, but not turn it round.
        Assert.True(result.WallRatio > 2 && result.CpuRatio > 2, result.ToLine());
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
