using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Kernels;

[NoTensorLeak]
public class KernelDispatchTests
{
    [Theory]
    [InlineData(null, KernelChoice.Cuda)]
    [InlineData("", KernelChoice.Cuda)]
    [InlineData("cuda", KernelChoice.Cuda)]
    [InlineData("cpu", KernelChoice.Cpu)]
    [InlineData("reference", KernelChoice.Reference)]
    public void The_variable_names_the_fastest_form(string? text, KernelChoice expected) => Assert.Equal(expected, KernelDispatch.Parse(text));

    [Fact]
    public void A_wrong_variable_is_named_with_what_it_may_be()
    {
        var error = Assert.Throws<ConfigurationException>(() => KernelDispatch.Parse("fast"));

        Assert.Contains("LMKIT_KERNELS=fast", error.Message, StringComparison.Ordinal);
        Assert.Contains("reference, cpu or cuda", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_that_no_fast_form_serves_get_the_reference()
    {
        using var scope = NewDisposeScope();
        using var limit = KernelDispatch.Use(KernelChoice.Cuda);
        var single = zeros(2);

        Assert.Equal(KernelChoice.Cpu, KernelDispatch.For(hasCuda: true, single, single));
        Assert.Equal(KernelChoice.Reference, KernelDispatch.For(hasCuda: true, single, zeros(2, ScalarType.Float64)));
        Assert.Equal(KernelChoice.Reference, KernelDispatch.For(hasCuda: true, zeros(2, ScalarType.BFloat16)));
        Assert.Equal(KernelChoice.Reference, KernelDispatch.For(hasCuda: true, zeros(2, device: META)));
        using (KernelDispatch.Use(KernelChoice.Reference))
            Assert.Equal(KernelChoice.Reference, KernelDispatch.For(hasCuda: true, single));
        Assert.Equal(KernelChoice.Cpu, KernelDispatch.For(hasCuda: true, single));
    }
}
