using System.Text.Json.Nodes;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class FeedForwardTests
{
    private const double Tolerance = 1e-13; // BLOOM's constant moves an entry by about 1e-9

    [Theory]
    [InlineData(Activation.GeluTanh)]
    [InlineData(Activation.Gelu)]
    [InlineData(Activation.Relu)]
    [InlineData(Activation.Silu)]
    [InlineData(Activation.GeluFast)]
    [InlineData(Activation.GeluBloom)]
    [InlineData(Activation.QuickGelu)]
    [InlineData(Activation.SquaredRelu)]
    public void An_mlp_is_its_formula(Activation activation)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mlp = ToyModel.Component(ToyModel.Builder(), layer => new Mlp(new MlpOptions { Activation = activation, MlpDim = 5 }, layer));
        var x = Input();

        Close.Check("mlp", Map(mlp, Formula(activation, Map(mlp, x, "fc1")), "fc2"), mlp.call(x), absolute: Tolerance);
    }

    [Theory]
    [InlineData(Activation.Silu, true)]
    [InlineData(Activation.Gelu, false)]
    public void A_gated_mlp_is_its_formula(Activation activation, bool hasBias)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var mlp = ToyModel.Component(ToyModel.Builder(), layer => new GatedMlp(new GatedMlpOptions { Activation = activation, HasBias = hasBias, MlpDim = 5 }, layer));
        var x = Input();
        var inner = Formula(activation, Map(mlp, x, "gate_proj")) * Map(mlp, x, "up_proj");

        Close.Check("gated mlp", Map(mlp, inner, "down_proj"), mlp.call(x), absolute: Tolerance);
    }

    [Theory]
    [InlineData("gelu_new", Activation.GeluTanh, "gelu_tanh")]
    [InlineData("gelu_pytorch_tanh", Activation.GeluTanh, "gelu_tanh")]
    [InlineData("swish", Activation.Silu, "silu")]
    [InlineData("relu2", Activation.SquaredRelu, "squared_relu")]
    [InlineData("gelu_fast", Activation.GeluFast, "gelu_fast")]
    [InlineData("quick_gelu", Activation.QuickGelu, "quick_gelu")]
    public void A_published_name_of_an_activation_is_read_and_ours_is_written(string published, Activation activation, string ours)
    {
        foreach (var type in (Type[])[typeof(MlpOptions), typeof(GatedMlpOptions)])
        {
            var options = OptionsJson.Read(new JsonObject { ["activation"] = published }, type, "$");

            Assert.Equal(activation, options is MlpOptions mlp ? mlp.Activation : ((GatedMlpOptions)options).Activation);
            Assert.Equal(ours, (string)OptionsJson.Write(options)["activation"]!);
        }
    }

    [Theory]
    [InlineData("\"gelu_old\"")]
    [InlineData("2")]
    public void An_activation_of_no_known_name_is_refused_with_the_names_there_are(string value)
    {
        var error = Assert.Throws<ConfigurationException>(() => OptionsJson.Read(new JsonObject { ["activation"] = JsonNode.Parse(value) }, typeof(MlpOptions), "$.options"));

        Assert.Equal("$.options.activation", error.Path);
        Assert.Contains("gelu_fast", error.Message, StringComparison.Ordinal);
        Assert.Contains(value.Trim('"'), error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Activations_of_half_precision_are_computed_in_single_precision_and_rounded_once(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var x = linspace(-6, 6, 97).to(dtype);
        foreach (var activation in Enum.GetValues<Activation>())
        {
            var exact = Formula(activation, x.to(ScalarType.Float64)).to(dtype);
            var y = activation.Apply(x);
            Assert.Equal(dtype, y.dtype);
            // At most the last place apart, where float32 stands on the other side of a border.
            Close.Check($"{activation}", exact.to(ScalarType.Float64), y.to(ScalarType.Float64), absolute: 1e-5, relative: dtype == ScalarType.Float16 ? 1e-3 : 8e-3);
        }
    }

    [Fact]
    public void Default_widths_are_four_times_and_eight_thirds_rounded_up_to_eight()
    {
        using var mlp = ToyModel.Component(ToyModel.Builder(modelDim: 10), layer => new Mlp(new MlpOptions(), layer));
        using var gated = ToyModel.Component(ToyModel.Builder(modelDim: 10), layer => new GatedMlp(new GatedMlpOptions(), layer));
        using var exact = ToyModel.Component(ToyModel.Builder(modelDim: 12), layer => new GatedMlp(new GatedMlpOptions(), layer));

        Assert.Equal([40, 10], mlp.get_parameter("fc1.weight")!.shape);
        Assert.Equal([32, 10], gated.get_parameter("up_proj.weight")!.shape);
        Assert.Equal([32, 12], exact.get_parameter("up_proj.weight")!.shape);
        Assert.Null(gated.get_parameter("up_proj.bias"));
    }

    [Fact]
    public void Residual_outputs_start_smaller_by_the_root_of_twice_the_layers()
    {
        using var scope = NewDisposeScope();
        using var mlp = ToyModel.Component(ToyModel.Builder(layerCount: 8, modelDim: 64), layer => new Mlp(new MlpOptions(), layer));
        var (first, second) = (mlp.get_parameter("fc1.weight")!.std().item<double>(), mlp.get_parameter("fc2.weight")!.std().item<double>());

        Assert.InRange(first, 0.39, 0.41);
        Assert.InRange(second / first, 0.24, 0.26);
    }

    [Fact]
    public void No_call_leaves_a_tensor_behind()
    {
        using var scope = NewDisposeScope();
        using var mlp = ToyModel.Component(ToyModel.Builder(), layer => new Mlp(new MlpOptions(), layer));
        using var gated = ToyModel.Component(ToyModel.Builder(), layer => new GatedMlp(new GatedMlpOptions(), layer));
        var x = Input();

        LiveTensors.Unchanged("Mlp", () => mlp.call(x).Dispose());
        LiveTensors.Unchanged("GatedMlp", () => gated.call(x).Dispose());
    }

    private static Tensor Formula(Activation activation, Tensor x) => activation switch
    {
        Activation.GeluTanh => x * 0.5 * (((x + x.pow(3) * 0.044715) * Math.Sqrt(2 / Math.PI)).tanh() + 1),
        Activation.Gelu => x * 0.5 * ((x / Math.Sqrt(2)).erf() + 1),
        Activation.Relu => x.clamp(min: 0),
        Activation.GeluFast => x * 0.5 * (((x + x.pow(3) * 0.044715) * 0.7978845608).tanh() + 1),
        Activation.GeluBloom => x * 0.5 * (((x + x.pow(3) * 0.044715) * 0.79788456).tanh() + 1),
        Activation.QuickGelu => x / ((x * -1.702).exp() + 1),
        Activation.SquaredRelu => x.clamp(min: 0) * x.clamp(min: 0),
        _ => x / ((-x).exp() + 1),
    };

    private static Tensor Map(nn.Module module, Tensor x, string name)
    {
        var product = x.mm(module.get_parameter($"{name}.weight")!.t());
        return module.get_parameter($"{name}.bias") is { } bias ? product + bias : product;
    }

    private static Tensor Input()
    {
        using var random = new Generator(3);
        return randn([4, ToyModel.ModelDim], ScalarType.Float64, generator: random);
    }
}
