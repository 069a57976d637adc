using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Tests;

public sealed class RatioMeasurementTests : IDisposable
{
    private readonly DisposeScope scope;

    public RatioMeasurementTests()
    {
        LibTorch.EnsureLoaded();
        set_num_threads(1);   // other test projects run beside this one
        scope = NewDisposeScope();
    }

    public void Dispose() => scope.Dispose();

    [Fact]
    public void The_tolerance_is_relative_to_the_largest_magnitude()
    {
        var baseline = tensor(new[] { 100.0, 0.0 });

        Assert.Null(RatioAgreement.Difference([baseline], [baseline + 0.9], 0.01));
        Assert.Contains("1.1", RatioAgreement.Difference([baseline], [baseline + 1.1], 0.01), StringComparison.Ordinal);
    }

    [Fact]
    public void Not_a_number_never_agrees()
    {
        var broken = tensor(new[] { 1.0, double.NaN });

        Assert.NotNull(RatioAgreement.Difference([ones(2)], [broken], 1));
        Assert.NotNull(RatioAgreement.Difference([broken], [broken], 1));
    }

    [Fact]
    public void Counts_and_shapes_must_be_the_same()
    {
        Assert.Contains("1 tensors, ours 0", RatioAgreement.Difference([ones(1)], [], 1), StringComparison.Ordinal);
        Assert.Contains("(2, 3), ours (3, 2)", RatioAgreement.Difference([ones(2, 3)], [ones(3, 2)], 1), StringComparison.Ordinal);
        Assert.Null(RatioAgreement.Difference([ones(0, 3)], [ones(0, 3)], 0));
    }

    [Fact]
    public void A_case_whose_sides_disagree_gets_no_ratio()
    {
        var wrong = new RatioCase("wrong", 1, 1, _ => new RatioSides(() => [ones(2)], () => [ones(2) * 2]));

        Assert.Contains("wrong", Assert.Throws<RatioDisagreementException>(() => RatioMeasurement.Run(wrong, isTuned: false)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_case_of_peak_memory_whose_sides_disagree_gets_no_figure()
    {
        if (!AllocatorSettings.IsSupported)
            return;

        static RatioSides Sides() => new(() => [ones(2)], () => [ones(2) * 2]);
        var wrong = new MemoryCase("wrong memory", 1, _ => Sides(), _ => Sides());

        Assert.Contains("wrong memory", Assert.Throws<RatioDisagreementException>(() => MemoryMeasurement.Run(wrong, CaseQuantity.OurMemory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Work_left_out_raises_the_ratio_of_processor_time()
    {
        var input = ones(200, 200);
        var hundredth = new RatioCase("hundredth", 1, 1, _ => new RatioSides(() => [Steps(input, 100)], () => [Steps(input, 1)]));

        var result = RatioMeasurement.Run(hundredth, isTuned: false);

        // A hundred times the work, by the time that this process had the processor: whoever else is busy cannot hide it.
        Assert.True(result.CpuRatio > 2, result.ToLine());
    }

    // The value is the same for any number of steps: a mean over rows of ones.
    private static Tensor Steps(Tensor input, int count)
    {
        var value = input;
        for (var step = 0; step < count; step++)
            value = value.mm(input) / 200;

        return value;
    }
}
