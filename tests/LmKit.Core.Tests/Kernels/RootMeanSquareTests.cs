using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

public sealed class RootMeanSquareTests : KernelConformance
{
    private const double Epsilon = 1e-5;

    protected override Func<IReadOnlyList<Tensor>, Tensor> Reference => given => RootMeanSquare.Reference(given[0], given[1], Epsilon);

    protected override Func<IReadOnlyList<Tensor>, Tensor> Fast => given => RootMeanSquare.Apply(given[0], given[1], Epsilon);

    protected override double Tolerance(ScalarType dtype) => dtype == ScalarType.Float64 ? 1e-14 : 1e-6;

    protected override IReadOnlyList<Tensor> Inputs(long length, ScalarType dtype, Generator random) =>
        [randn([2, 3, length], dtype, generator: random) * 3, randn([length], dtype, generator: random)];

    [Fact]
    public void A_row_of_zeros_stays_zero_and_one_that_is_not_finite_stays_so()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var weight = ones(20);

        Assert.Equal(0, RootMeanSquare.Apply(zeros(1, 20), weight, Epsilon).abs().sum().item<float>());
        Assert.True(RootMeanSquare.Apply(full(1, 20, float.NaN), weight, Epsilon).isnan().all().item<bool>());
    }
}
