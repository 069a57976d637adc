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
    public void A_unit_offset_multiplies_by_one_more_than_the_weight_which_starts_at_zero()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var norm = ToyModel.Component(ToyModel.Builder(), layer => new RmsNorm(new RmsNormOptions { Epsilon = 0.1, HasUnitOffset = true }, layer));
        var x = Input();
        var plain = x / (x.square().mean([-1L], keepdim: true) + 0.1).sqrt();

        Close.Check("at the start", plain, norm.call(x), absolute: Tolerance);
        Stir(norm);
        Close.Check("stirred", plain * (norm.get_parameter("weight")! + 1), norm.call(x), absolute: Tolerance);
    }

    [Fact]
    public void A_unit_offset_is_served_by_the_kernel_too()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var norm = ToyModel.Component(ToyModel.Builder(dtype: ScalarType.Float32), layer => new RmsNorm(new RmsNormOptions { HasUnitOffset = true }, layer));
        Stir(norm);
        var x = Input().to(ScalarType.Float32);

        Close.Check("float32", RootMeanSquare.Reference(x, norm.get_parameter("weight")! + 1, 1e-5), norm.call(x), absolute: 1e-6);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Half_precision_is_rounded_before_or_after_the_weight_as_the_options_say(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var x = Input().to(dtype);
        var wide = x.to(ScalarType.Float32);
        var normed = wide * (wide.square().mean([-1L], keepdim: true) + 1e-5).rsqrt();
        foreach (var (before, offset) in new[] { (false, false), (true, false), (false, true) })
        {
            using var norm = ToyModel.Component(ToyModel.Builder(dtype: dtype), layer => new RmsNorm(new RmsNormOptions { RoundsBeforeWeight = before, HasUnitOffset = offset }, layer));
            Stir(norm);
            var weight = norm.get_parameter("weight")!;
            var expected = before ? normed.to(dtype) * weight : (normed * (weight.to(ScalarType.Float32) + (offset ? 1 : 0))).to(dtype);

            Assert.True(expected.eq(norm.call(x)).all().item<bool>(), $"before {before}, offset {offset}");
        }
        // The two orders differ somewhere, so that the test above can tell them apart.
        using var stirred = ToyModel.Component(ToyModel.Builder(dtype: dtype), layer => new RmsNorm(new RmsNormOptions(), layer));
        Stir(stirred);
        Assert.False((normed.to(dtype) * stirred.get_parameter("weight")!).eq(stirred.call(x)).all().item<bool>());
    }

    [Fact]
    public void A_norm_is_as_wide_as_the_part_that_asks_says()
    {
        using var scope = NewDisposeScope();
        using var layerNorm = ToyModel.Component(ToyModel.Builder(), layer => new LayerNorm(new LayerNormOptions(), layer.Within("q_norm", 3)));
        using var slot = (nn.Module<Tensor, Tensor>)ToyModel.Component(ToyModel.Builder().AddRmsNorm(), layer => layer.Norm("q_norm", 5));

        Assert.Equal([3], layerNorm.get_parameter("weight")!.shape);
        Assert.Equal([5], slot.get_parameter("weight")!.shape);
        Assert.Equal([2, 4, 5], slot.call(ones(2, 4, 5, dtype: ScalarType.Float64)).shape);
    }

    [Fact]
    public void Layers_choose_their_norms_and_the_layer_count_names_the_models_last()
    {
        using var model = ToyModel.Builder().AddAttention().AddRmsNorm(layers: [1]).AddLayerNorm(norm => norm.HasBias = false, [2]).Build();

        Assert.Equal(
            ["layers.0.norm1.bias", "layers.0.norm1.weight", "layers.0.norm2.bias", "layers.0.norm2.weight", "layers.1.norm1.weight", "layers.1.norm2.weight", "ln_f.weight"],
            model.named_parameters().Select(entry => entry.name).Where(name => name.Contains("norm", StringComparison.Ordinal) || name.Contains("ln_f", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Gradients_agree_with_central_differences_and_nothing_is_left_behind()
    {
        using var scope = NewDisposeScope();
        using var layerNorm = ToyModel.Component(ToyModel.Builder(), layer => new LayerNorm(new LayerNormOptions(), layer));
        using var rmsNorm = ToyModel.Component(ToyModel.Builder(), layer => new RmsNorm(new RmsNormOptions(), layer));
        using var offset = ToyModel.Component(ToyModel.Builder(), layer => new RmsNorm(new RmsNormOptions { HasUnitOffset = true }, layer));
        var x = Input().requires_grad_(true);
        foreach (var norm in new nn.Module<Tensor, Tensor>[] { layerNorm, rmsNorm, offset })
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
