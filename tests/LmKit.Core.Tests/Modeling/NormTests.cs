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
