using LmKit.Conformance;

namespace LmKit.Structured.Tests;

[NoTensorLeak]
public class MonarchBuilderTests
{
    [Fact]
    public void The_verb_fills_the_sites_it_names()
    {
        using var model = ToyModel.Builder().AddAttention().AddMonarchLinear(monarch => monarch.BlockCount = 2, sites: ["mlp.*"], layers: [1]).Build();
        var names = model.named_parameters().Select(pair => pair.name).ToList();

        Assert.Equal(
            ["layers.1.mlp.fc1.blkdiag1", "layers.1.mlp.fc1.blkdiag2", "layers.1.mlp.fc2.blkdiag1", "layers.1.mlp.fc2.blkdiag2"],
            names.Where(name => name.Contains("blkdiag", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public void A_configuration_says_everything_and_comes_back()
    {
        var builder = ToyModel.Builder().AddAttention().AddMonarchLinear(monarch => monarch.Initialization = MonarchInitialization.MuP);
        var json = builder.Config.ToJson();

        Assert.Contains("\"kind\": \"monarch\"", json, StringComparison.Ordinal);
        Assert.Contains("\"nblocks\": 4", json, StringComparison.Ordinal);
        Assert.Contains("\"initialization\": \"mup\"", json, StringComparison.Ordinal);
        using var model = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry().AddStructured());
        Assert.Contains("layers.0.mixer.q_proj.blkdiag1", model.named_parameters().Select(pair => pair.name));
    }

    [Fact]
    public void A_bad_block_count_names_option_and_value()
    {
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().AddMonarchLinear(monarch => monarch.BlockCount = 0).Build());

        Assert.Contains("nblocks", error.Path, StringComparison.Ordinal);
        Assert.Contains("BlockCount = 0", error.Message, StringComparison.Ordinal);
    }
}
