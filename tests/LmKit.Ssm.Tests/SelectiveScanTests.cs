using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public abstract class SelectiveScanKernelConformance(long channelCount, long stateDim) : KernelConformance
{
    protected override IReadOnlyList<long> Lengths => [1, 2, 7, 63, 64, 65, 130];

    protected override IReadOnlyList<ScalarType> Dtypes => [ScalarType.Float32];

    protected override double Tolerance(ScalarType dtype) => 1e-5;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Reference);
        return Run([.. inputs.Select(input => input.to(ScalarType.Float64))]).to(inputs[0].dtype);
    };

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => inputs =>
    {
        using var choice = KernelSelection.Use(KernelChoice.Cpu);
        return Run(inputs);
    };

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
    [
        randn([2, channelCount, length], dtype, generator: random),
        randn([2, channelCount, length], dtype, generator: random),
        rand([channelCount, stateDim], dtype, generator: random) * -2 - 0.1,
        randn([2, stateDim, length], dtype, generator: random),
        randn([2, stateDim, length], dtype, generator: random),
        randn([2, channelCount, stateDim], dtype, generator: random),
    ];

    // Outputs and end state side by side.
    private static Tensor Run(IReadOnlyList<Tensor> inputs)
    {
        using var scope = NewDisposeScope();
        var (y, state) = SelectiveScan.Run(inputs[0], inputs[1], inputs[2], inputs[3], inputs[4], state: inputs[5]);
        return cat([y, state], 2).MoveToOuterDisposeScope();
    }
}

public class SelectiveScanOfSixteenChannels() : SelectiveScanKernelConformance(16, 5);

public class SelectiveScanOfEightChannels() : SelectiveScanKernelConformance(8, 16);

public class SelectiveScanOfTwelveChannels() : SelectiveScanKernelConformance(12, 3);

public class SelectiveScanOfThreeChannels() : SelectiveScanKernelConformance(3, 2);

[NoTensorLeak]
public class SelectiveScanTests
{
    [Fact]
    public void Shapes_that_do_not_fit_are_refused_by_what_is_wanted()
    {
        using var scope = NewDisposeScope();

        var error = Assert.Throws<ArgumentException>(() => SelectiveScan.Run(zeros(1, 4, 5), zeros(1, 4, 5), zeros(4, 2), zeros(1, 3, 5), zeros(1, 3, 5)));

        Assert.Contains("takes B (B, N, L)", error.Message, StringComparison.Ordinal);
        Assert.Contains("N = 2", error.Message, StringComparison.Ordinal);
        Assert.Contains("(1, 3, 5)", error.Message, StringComparison.Ordinal);
    }
}
