using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Tuning.Tests;

[NoTensorLeak]
public class LoraStartTests
{
    [Theory]
    [InlineData(null, 1.0 / 16)]
    [InlineData(0.02, 0.02)]
    [InlineData(3.0, 3.0)]
    public void A_gaussian_start_has_the_deviation_that_was_asked_for(double? asked, double expected)
    {
        using var scope = NewDisposeScope();
        var site = Sites.Make(200, 5);
        using var lora = new LoraLinear(new LoraOptions { Rank = 16, Initialization = LoraInitialization.Gaussian, InitializationDeviation = asked }, new DenseLinear(site), site);

        // 3,200 draws: the deviation is off by 1.3 % on average.
        Assert.InRange(lora.get_parameter("lora_A")!.std().item<double>(), 0.93 * expected, 1.07 * expected);
        Close.Check("B", zeros(5, 16, ScalarType.Float64), lora.get_parameter("lora_B")!);
        Assert.Equal(asked, lora.Options.InitializationDeviation);
    }

    [Theory]
    [InlineData(LoraInitialization.KaimingUniform)]
    [InlineData(LoraInitialization.Orthogonal)]
    public void Another_start_refuses_a_deviation(LoraInitialization start)
    {
        using var scope = NewDisposeScope();
        var site = Sites.Make(6, 5);
        using var inner = new DenseLinear(site);
        var error = Assert.Throws<ArgumentException>(() => new LoraLinear(new LoraOptions { Rank = 2, Initialization = start, InitializationDeviation = 0.02 }, inner, site));
        Assert.Contains("LoraOptions.InitializationDeviation = 0.02", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{start}", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-0.02)]
    [InlineData(double.NaN)]
    public void A_deviation_is_a_positive_number(double deviation)
    {
        using var scope = NewDisposeScope();
        var site = Sites.Make(6, 5);
        using var inner = new DenseLinear(site);
        var error = Assert.Throws<ConfigurationException>(() => new LoraLinear(new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian, InitializationDeviation = deviation }, inner, site));
        Assert.Contains("initialization_deviation", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_embedding_refuses_a_deviation()
    {
        using var scope = NewDisposeScope();
        var parameters = new ParameterFactory(new Generator(1));
        using var table = new EmbeddingTable(7, 6, 1, parameters);
        var error = Assert.Throws<ArgumentException>(() => new LoraEmbedding(new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian, InitializationDeviation = 0.5 }, table, parameters));
        Assert.Contains("LoraOptions.InitializationDeviation = 0.5", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_models_configuration_keeps_the_deviation_and_an_adapter_folder_says_gaussian()
    {
        var options = new LoraOptions { Rank = 2, Initialization = LoraInitialization.Gaussian, InitializationDeviation = 0.02 };
        var again = (LoraOptions)OptionsJson.Read(OptionsJson.Write(options), typeof(LoraOptions), "$");
        Assert.Equal(0.02, again.InitializationDeviation);
        Assert.Null(((LoraOptions)OptionsJson.Read(OptionsJson.Write(new LoraOptions()), typeof(LoraOptions), "$")).InitializationDeviation);
        Assert.Contains("\"init_lora_weights\": \"gaussian\"", new AdapterConfig(options, ["q_proj"]).ToJson(), StringComparison.Ordinal);
    }
}
