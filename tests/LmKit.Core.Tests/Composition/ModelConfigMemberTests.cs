using LmKit.Conformance;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class ModelConfigMemberTests
{
    private static readonly string Written = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 }.AddAttention().Config.ToJson();

    [Fact]
    public void A_misspelt_member_of_a_component_is_named()
    {
        var error = Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(Written.Replace("\"layers\"", "\"layer\"", StringComparison.Ordinal)));
        Assert.Equal("$.components[0].layer", error.Path);
    }

    [Fact]
    public void A_member_that_stands_twice_is_refused() =>
        Assert.Throws<ConfigurationException>(() => ModelConfig.FromJson(Written.Replace("\"format\": 2", "\"format\": 2, \"format\": 2", StringComparison.Ordinal)));

    [Fact]
    public void A_built_model_writes_out_the_components_that_it_assumed_and_rebuilds_from_them()
    {
        using var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 }.AddAttention().Build();
        Assert.Equal(["sequential", "causal", "none", "mlp", "layer_norm", "dense", "token", "linear", "attention"], model.Config.Components.Select(entry => entry.Kind));
        using var again = LanguageModel.Build(ModelConfig.FromJson(model.Config.ToJson()), new ComponentRegistry());
        Assert.Equal(model.Config, again.Config);
    }
}
