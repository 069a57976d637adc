using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Structured.Tests;

/// <summary>Monarch products in half precision against float64 on the same rounded numbers.</summary>
[NoTensorLeak]
public sealed class HalfPrecisionTests
{
    public static TheoryData<ScalarType, double, double> Cases => new()
    {
        { ScalarType.Float16, 1, 2e-3 },
        { ScalarType.Float16, 100, 2e-3 },
        { ScalarType.BFloat16, 1, 2e-2 },
        { ScalarType.BFloat16, 1e6, 2e-2 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Products_and_gradients_stay_near_float64(ScalarType dtype, double size, double allowed)
    {
        foreach (var (inFeatures, outFeatures, blocks) in new[] { (64, 64, 4), (20, 12, 4), (10, 7, 4), (12, 20, 3) })
        {
            using var scope = NewDisposeScope();
            using var linear = Make(inFeatures, outFeatures, blocks, dtype);
            using var exact = Make(inFeatures, outFeatures, blocks, ScalarType.Float64);
            Copy(linear, exact);
            using var random = new Generator(4);
            var x = (randn([3, 5, inFeatures], generator: random) * size).to(dtype).requires_grad_();
            var wide = x.detach().to(ScalarType.Float64).requires_grad_();

            var (y, expected) = (linear.call(x), exact.call(wide));
            y.to(ScalarType.Float32).sum().backward();
            expected.sum().backward();

            Assert.Equal(dtype, y.dtype);
            Close.Check($"{dtype} {inFeatures} to {outFeatures}", expected, y, relativeToLargest: allowed);
            Close.Check("gradient of x", wide.grad!, x.grad!, relativeToLargest: allowed);
            foreach (var (name, parameter) in exact.named_parameters())
                Close.Check($"gradient of {name}", parameter.grad!, linear.get_parameter(name)!.grad!, relativeToLargest: allowed);
            Close.Check("dense form", exact.ToDense(), linear.ToDense(), relativeToLargest: allowed);
            Clear(linear);
            Clear(exact);
            x.grad!.Dispose();
            wide.grad!.Dispose();
        }
    }

    private static void Copy(MonarchLinear from, MonarchLinear to)
    {
        using var frozen = no_grad();
        foreach (var (name, parameter) in to.named_parameters())
            parameter.copy_(from.get_parameter(name)!);
    }

    private static void Clear(MonarchLinear linear)
    {
        foreach (var parameter in linear.parameters())
            parameter.grad!.Dispose();
    }

    private static MonarchLinear Make(long inFeatures, long outFeatures, int blocks, ScalarType dtype) =>
        new(new MonarchOptions { BlockCount = blocks }, Sites.Make(inFeatures, outFeatures, dtype: dtype));
}
