using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class NormTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_layer_norm_is_its_formula(bool hasBias)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var norm = ToyModel.Component(ToyModel.Builder(), layer => new LayerNorm(new LayerNormOptions { HasBias = hasBias, Epsilon = 0.1 }, layer));
        Stir(norm);
        var x = Input();
        var centred = x - x.mean([-1L], keepdim: true);
        var expected = centred / (centred.square().mean([-1L], keepdim: true) + 0.1).sqrt() * norm.get_parameter("weight")!;

        Close.Check("layer norm", hasBias ? expected + norm.get_parameter("bias")! : expected, norm.call(x), absolute: Tolerance);
        Assert.Equal(hasBias, norm.get_parameter("bias") is not null);
    }

    [Fact]
    public void A_root_mean_square_norm_is_its_formula()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var norm = ToyModel.Component(ToyModel.Builder(), layer => new RmsNorm(new RmsNormOptions { Epsilon = 0.1 }, layer));
        Stir(norm);
        var x = Input();
        var expected = x / (x.square().mean([-1L], keepdim: true) + 0.1).sqrt() * norm.get_parameter("weight")!;

        Close.Check("rms norm", expected, norm.call(x), absolute: Tolerance);
    }

    [Fact]
    public void Gradients_agree_with_central_differences_and_nothing_is_left_behind()
    {
        using var scope = NewDisposeScope();
        using var layerNorm = ToyModel.Component(ToyModel.Builder(), layer => new LayerNorm(new LayerNormOptions(), layer));
        using var rmsNorm = ToyModel.Component(ToyModel.Builder(), layer => new RmsNorm(new RmsNormOptions(), layer));
        var x = Input().requires_grad_(true);
        foreach (var norm in new nn.Module<Tensor, Tensor>[] { layerNorm, rmsNorm })
        {
            GradientCheck.Check(() => norm.call(x), [("x", x), .. norm.named_parameters().Select(pair => (pair.name, (Tensor)pair.parameter))]);
            LiveTensors.Unchanged(norm.GetName(), () => norm.call(x).Dispose());
            Assert.ThrowsAny<ArgumentException>(() => norm.call(zeros(2, 9, dtype: ScalarType.Float64)));
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16, 2e-3)]
    [InlineData(ScalarType.BFloat16, 1.6e-2)]
    public void Norms_of_half_precision_are_computed_in_single_precision(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(4);
        foreach (var size in new[] { 1e-3, 1, 400, 30_000 }) // squares of 256 and more do not fit float16
        {
            var x = (randn([3, 5, 4096], ScalarType.Float64, generator: random).clamp(-2, 2) * size).to(dtype);
            var exact = x.to(ScalarType.Float64);
            using var rms = ToyModel.Component(ToyModel.Builder(dtype: dtype, modelDim: 4096), layer => new RmsNorm(new RmsNormOptions(), layer));
            using var layer = ToyModel.Component(ToyModel.Builder(dtype: dtype, modelDim: 4096), layer => new LayerNorm(new LayerNormOptions(), layer));
            var centred = exact - exact.mean([-1L], keepdim: true);

            Assert.Equal(dtype, rms.call(x).dtype);
            Close.Check($"rms {size}", exact / (exact.square().mean([-1L], keepdim: true) + new RmsNormOptions().Epsilon).sqrt(), rms.call(x), absolute: tolerance);
            Close.Check($"layer {size}", centred / (centred.square().mean([-1L], keepdim: true) + new LayerNormOptions().Epsilon).sqrt(), layer.call(x), absolute: tolerance);
        }
    }

    private static void Stir(nn.Module module)
    {
        using var random = new Generator(9);
        foreach (var parameter in module.parameters())
            parameter.copy_(randn(parameter.shape, ScalarType.Float64, generator: random));
    }

    private static Tensor Input()
    {
        using var random = new Generator(3);
        return randn([2, 3, ToyModel.ModelDim], ScalarType.Float64, generator: random);
    }
}
