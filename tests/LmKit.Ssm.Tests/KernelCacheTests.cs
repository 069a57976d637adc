using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

[NoTensorLeak]
public class KernelCacheTests
{
    [Fact]
    public void A_kernel_is_the_callers_own_also_while_one_is_kept()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var ssm = Make();
        var expected = ssm.Kernel(40).clone();
        _ = ssm.Kernel(40).zero_();
        _ = ssm.Kernel(17).zero_();

        Close.Check("whole", expected, ssm.Kernel(40));
        Close.Check("beginning", expected.narrow(1, 0, 17), ssm.Kernel(17));
        using var mixer = ToyModel.Component(ToyModel.Builder(), layer => new S4DMixer(new S4DOptions { StateDim = 8 }, layer));
        var kernel = mixer.Kernel(9).clone();
        _ = mixer.Kernel(9).zero_();
        Close.Check("S4D", kernel, mixer.Kernel(9));
    }

    [Fact]
    public void A_kernel_kept_in_inference_mode_serves_gradients_later()
    {
        using var scope = NewDisposeScope();
        using var ssm = Make();
        foreach (var parameter in ssm.parameters())
            parameter.requires_grad = false;
        using (inference_mode())
            _ = ssm.Run(ones([1, 3, 8], ScalarType.Float64));
        var u = ones([1, 3, 8], ScalarType.Float64).requires_grad_(true);
        var gradient = autograd.grad([ssm.Run(u).Output.sum()], [u])[0];

        Assert.True(gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<double>() > 0);
    }

    [Theory]
    [InlineData("C")]
    [InlineData("B")]
    [InlineData("log_dt")]
    [InlineData("inv_A_real")]
    [InlineData("A_imag")]
    public void A_parameter_changed_in_place_is_seen(string name)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var ssm = Make();
        var before = ssm.Kernel(20).clone();
        ssm.get_parameter($"kernel.{name}")!.mul_(1.5);
        var after = ssm.Kernel(20);

        Assert.True((after - before).abs().max().item<double>() > 1e-6);
        using (enable_grad())
            Close.Check("made anew", ssm.Kernel(20), after);
    }

    [Fact]
    public void Another_dtype_makes_another_kernel()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var ssm = Make();
        var wide = ssm.Kernel(20).clone();
        ssm.to(ScalarType.Float32);

        Assert.Equal(ScalarType.Float32, ssm.Kernel(20).dtype);
        Close.Check("narrow", wide, ssm.Kernel(20), relativeToLargest: 1e-5);
    }

    [Fact]
    public void With_gradients_nothing_is_kept()
    {
        using var scope = NewDisposeScope();
        using var ssm = Make();
        Assert.True(ssm.Kernel(8).requires_grad);

        Assert.False(SharesMemory(ssm.Kernel(8), ssm.Kernel(8)));
    }

    [Fact]
    public void A_normalised_kernel_of_another_length_is_another_kernel()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(2);
        using var ssm = new DiagonalSsm(new DiagonalSsmOptions(8, Discretization.Dss), 2, new ParameterFactory(random, ScalarType.Float64));
        var (longer, shorter) = (ssm.Kernel(40).clone(), ssm.Kernel(10));

        Assert.True((longer.narrow(1, 0, 10) - shorter).abs().max().item<double>() > 1e-9);
        _ = Assert.Throws<NotSupportedException>(() => ssm.Recurrence().Decay);
    }

    private static DiagonalSsm Make()
    {
        using var random = new Generator(1);
        return new DiagonalSsm(new DiagonalSsmOptions(8), 3, new ParameterFactory(random, ScalarType.Float64));
    }

    // A write through one is seen through the other.
    private static bool SharesMemory(Tensor a, Tensor b)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var kept = b.clone();
        a.narrow(1, 0, 1).add_(1);
        var isSeen = !b.Equals(kept);
        a.narrow(1, 0, 1).sub_(1);
        return isSeen;
    }
}
