using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Ssm.Tests;

public class H3OptionsTests
{
    [Fact]
    [NoTensorLeak]
    public void A_configuration_in_JSON_rebuilds_the_layers()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var builder = ToyModel.Builder(3).AddH3(h3 => { h3.StateDim = 8; h3.HeadDim = 2; h3.Initialization = DiagonalInitialization.Legs; })
            .AddAttention(layers: [1]);
        using var model = builder.Build();
        using var again = LanguageModel.Build(ModelConfig.FromJson(builder.Config.ToJson()), new ComponentRegistry().AddSsm(), CPU, ScalarType.Float64);
        var tokens = arange(10, dtype: ScalarType.Int64).view(1, 10);

        Close.Check("logits", model.call(tokens, null), again.call(tokens, null));
    }

    [Fact]
    public void The_kind_and_the_published_option_names_are_in_the_configuration()
    {
        var json = ToyModel.Builder(1).AddH3(h3 => h3.MaxKernelLength = 7).Config.ToJson();

        foreach (var text in new[] { "\"h3\"", "\"LmKit.Ssm\"", "\"d_state\": 64", "\"head_dim\": 1", "\"disc\": \"bilinear\"", "\"measure\": \"lin\"", "\"l_max\": 7", "\"dt_min\": 0.001" })
            Assert.Contains(text, json, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3, 8, 0.001, DiagonalInitialization.Lin, "H3Options.HeadDim = 3")]
    [InlineData(1, 7, 0.001, DiagonalInitialization.Lin, "H3Options.StateDim = 7")]
    [InlineData(1, 8, 0.5, DiagonalInitialization.Lin, "H3Options.MinTimeStep = 0.5")]
    [InlineData(8, 8, 0.001, DiagonalInitialization.Mixed, "H3Options.Initialization = Mixed")]
    public void Options_that_do_not_fit_fail_with_their_name_and_value(long headDim, long stateDim, double minTimeStep, DiagonalInitialization initialization, string expected)
    {
        var builder = ToyModel.Builder(1).AddH3(h3 => { h3.HeadDim = headDim; h3.StateDim = stateDim; h3.MinTimeStep = minTimeStep; h3.Initialization = initialization; });

        var error = Assert.Throws<ConfigurationException>(builder.Build);

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_option_out_of_range_fails_with_its_path()
    {
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder(1).AddH3(h3 => h3.StateDim = 0));

        Assert.Contains("$.components[0].options.d_state", error.Message, StringComparison.Ordinal);
    }
}
