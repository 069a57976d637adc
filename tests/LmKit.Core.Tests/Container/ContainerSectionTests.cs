using System.Text;
using LmKit.Conformance;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace LmKit.Core.Tests;

/// <summary>A model that a section of the app's configuration describes.</summary>
[NoTensorLeak]
public class ContainerSectionTests
{
    private const string Whole = """
        { "Models": { "Small": {
            "VocabSize": 11, "ModelDim": 16, "layerCount": 2, "IsHeadTied": false, "InitializerRange": 0.5, "Seed": 18446744073709551615,
            "Components": [
                { "Kind": "attention", "Options": { "HeadCount": 2 } },
                { "Kind": "attention", "Layers": [1], "Options": { "HeadCount": 4, "QueryKeyNorm": "PerHead" } },
                { "Kind": "rotary", "Options": { "Scaling": { "RopeType": "linear", "Factor": 2 } } },
                { "Kind": "gated_mlp", "Slot": "feed_forward" },
                { "Kind": "packed", "Sites": ["down_proj", "mlp.*"] },
                { "Kind": "autoregressive", "Options": { "Temperature": 0.5, "StopTokens": [3, 4] } } ] } } }
        """;

    [Fact]
    public void A_section_makes_the_model_that_verbs_make()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Section(Whole));
        using var provider = services.BuildServiceProvider();
        Start(provider);
        var expected = new LanguageModelBuilder { VocabSize = 11, ModelDim = 16, LayerCount = 2 };
        (expected.Options.IsHeadTied, expected.Options.InitializerRange, expected.Options.Seed) = (false, 0.5, ulong.MaxValue);
        _ = expected.AddAttention(attention => attention.HeadCount = 2)
            .AddAttention(attention => (attention.HeadCount, attention.QueryKeyNorm) = (4, QueryKeyNorm.PerHead), layers: [1])
            .AddRotary(rotary => rotary.Scaling = new LinearRotaryScaling { Factor = 2 })
            .AddGatedMlp()
            .AddPackedLinear(sites: ["down_proj", "mlp.*"])
            .AddAutoregressiveSampler(sampler => (sampler.Temperature, sampler.StopTokens) = (0.5, [3, 4]));
        using var model = expected.Build();
        Assert.Equal(model.Config, provider.GetRequiredService<LanguageModel>().Config);
        Assert.NotNull(provider.GetRequiredService<ISampler>());
        Assert.Null(provider.GetService<ModelTokenizer>());
    }

    [Fact]
    public void Verbs_that_follow_add_to_the_section_and_win()
    {
        var services = new ServiceCollection();
        var builder = services.AddKeyedLanguageModel("small", Section(Whole)).AddAttention(attention => attention.HeadCount = 8).AddAutoregressiveSampler(sampler => sampler.Temperature = 0);
        (builder.Options.IsHeadTied, builder.Options.Seed, builder.Dtype) = (true, 0, TorchSharp.torch.ScalarType.Float64);
        using var provider = services.BuildServiceProvider();
        Start(provider);
        var model = provider.GetRequiredKeyedService<LanguageModel>("small");
        var options = model.Config.ReadOptions();
        Assert.Equal((true, 0ul, 0.5), (options.IsHeadTied, options.Seed, options.InitializerRange));
        Assert.Equal(TorchSharp.torch.ScalarType.Float64, model.parameters().First().dtype);
        Assert.Equal(8, (int)model.Config.Components.Last(entry => entry.Kind == "attention").Options["num_attention_heads"]!);
        Assert.Equal(0.0, (double)model.Config.Components.Last(entry => entry.Kind == "autoregressive").Options["temperature"]!);
    }

    [Fact]
    public void Sizes_may_come_from_verbs_and_the_section_is_read_when_the_host_starts()
    {
        var services = new ServiceCollection();
        var configuration = new ConfigurationBuilder().AddInMemoryCollection().Build();
        services.AddLanguageModel(configuration.GetSection("Model")).ModelDim = 8;
        configuration["Model:VocabSize"] = "11";
        configuration["Model:LayerCount"] = "1";
        configuration["Model:Components:0:Kind"] = "attention";
        using var provider = services.BuildServiceProvider();
        Start(provider);
        Assert.Equal(8, provider.GetRequiredService<LanguageModel>().Config.ReadOptions().ModelDim);
    }

    [Theory]
    [InlineData("Small:ModelDimm", "8", "Models:Small:ModelDimm: unknown key; LanguageModelOptions has VocabSize, ")]
    [InlineData("Small:d_model", "8", "Models:Small:d_model: unknown key")]
    [InlineData("Small:ModelDim", "eight", "Models:Small:ModelDim: 'eight' is not a whole number of Int64.")]
    [InlineData("Small:ModelDim", "8,0", "Models:Small:ModelDim: '8,0' is not a whole number")]
    [InlineData("Small:ModelDim", "0", "Models:Small:ModelDim: LanguageModelOptions.ModelDim = 0: ")]
    [InlineData("Small:ModelDim:Width", "8", "Models:Small:ModelDim:Width: unknown key; Models:Small:ModelDim has one value.")]
    [InlineData("Small:LayerCount", "3000000000", "Models:Small:layerCount: '3000000000' is not a whole number of Int32.")]
    [InlineData("Small:InitializerRange", "0,5", "Models:Small:InitializerRange: '0,5' is not a finite number, written with a point.")]
    [InlineData("Small:InitializerRange", "NaN", "Models:Small:InitializerRange: 'NaN' is not a finite number")]
    [InlineData("Small:IsHeadTied", "yes", "Models:Small:IsHeadTied: 'yes' is not true or false.")]
    [InlineData("Small:Components", "attention", "Models:Small:Components: 'attention' stands where a list belongs.")]
    [InlineData("Small:Components:first:Kind", "attention", "Models:Small:Components:first: 'first' is not the number of an entry, and Models:Small:Components is a list.")]
    [InlineData("Small:Components:0:Name", "x", "Models:Small:Components:0:Name: unknown key; an entry of Components has Kind, Slot, Layers, Sites, Options.")]
    [InlineData("Small:Components:0:HeadCount", "2", "Models:Small:Components:0:HeadCount: unknown key")]
    [InlineData("Small:Components:0:Kind", "h3", "Models:Small:Components:0:Kind: 'h3' is not a known kind; known are alibi, attention, ")]
    [InlineData("Small:Components:0:Slot", "mixers", "Models:Small:Components:0:Slot: 'mixers' is not a slot; slots are block, mixer, ")]
    [InlineData("Small:Components:0:Slot", "mask", "Models:Small:Components:0:Kind: 'attention' is not a known kind of mask; known are ")]
    [InlineData("Small:Components:0:Options", "2", "Models:Small:Components:0:Options: '2' stands where keys of AttentionOptions belong.")]
    [InlineData("Small:Components:0:Options:HeadCont", "2", "Models:Small:Components:0:Options:HeadCont: unknown key; AttentionOptions has HeadCount, ")]
    [InlineData("Small:Components:0:Options:HeadCount", "0", "Models:Small:Components:0:Options:HeadCount: AttentionOptions.HeadCount = 0: ")]
    [InlineData("Small:Components:0:Options:HeadCount", "3", "AttentionOptions.HeadCount = 3 (Models:Small:Components:0:Options:HeadCount) does not divide")]
    [InlineData("Small:Components:1:Options:QueryKeyNorm", "1", "Models:Small:Components:1:Options:QueryKeyNorm: '1' is not one of None, ")]
    [InlineData("Small:Components:1:Layers:0", "7", "Models:Small:Components:1:Layers: 7 is not a layer of this model")]
    [InlineData("Small:Components:1:Layers:0", "one", "Models:Small:Components:1:Layers:0: 'one' is not a whole number")]
    [InlineData("Small:Components:2:Options:Scaling:RopeType", "linaer", "Models:Small:Components:2:Options:Scaling:RopeType: 'linaer' is not one of linear, ntk, ")]
    [InlineData("Small:Components:2:Options:Scaling:Border", "2", "Models:Small:Components:2:Options:Scaling:Border: unknown key; LinearRotaryScaling has ")]
    [InlineData("Small:Components:2:Options:Scaling:Factor", "0.5", "Models:Small:Components:2:Options:Scaling:")]
    [InlineData("Small:Components:4:Sites:0", "fc9", "Models:Small:Components:4:Sites: 'fc9' names no linear of this model")]
    [InlineData("Small:Components:5:Sites:0", "fc1", "Models:Small:Components:5:Sites: sites are those of linears")]
    [InlineData("Small:Components:5:Options:StopTokens:1", null, "Models:Small:Components:5:Options:StopTokens:1: null stands where an entry belongs.")]
    [InlineData("Small:Components:6:Options:HeadCount", "2", "Models:Small:Components:6:Kind: is missing")]
    public void What_is_wrong_is_named_by_its_whole_path_at_the_start_and_at_use(string key, string? value, string expected)
    {
        var services = new ServiceCollection();
        var root = Json(Whole).AddInMemoryCollection([new($"Models:{key}", value)]).Build();
        services.AddKeyedLanguageModel("small", root.GetSection("Models:Small"));
        using var provider = services.BuildServiceProvider();
        var atStart = Assert.Throws<OptionsValidationException>(() => Start(provider)).Message;
        Assert.StartsWith("model 'small': " + expected, atStart, StringComparison.Ordinal);
        Assert.Equal(atStart, Assert.Throws<ConfigurationException>(() => provider.GetRequiredKeyedService<LanguageModel>("small")).Message);
    }

    [Fact]
    public void A_section_that_is_not_there_is_named()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Json(Whole).Build().GetSection("Models:Smal"));
        using var provider = services.BuildServiceProvider();
        Assert.StartsWith("Models:Smal: there is no such section", Assert.Throws<OptionsValidationException>(() => Start(provider)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kinds_name_that_two_slots_have_asks_for_the_slot()
    {
        const string Text = """{ "VocabSize": 11, "ModelDim": 8, "LayerCount": 1, "Components": [ { "Kind": "attention"SLOT }, { "Kind": "attention", "Slot": "mixer" } ] }""";
        var twin = Slots.FeedForward.Define("attention", context => new FixedFeedForward());
        foreach (var (slot, expected) in new[] { ("", "Components:0:Kind: 'attention' is a kind of feed_forward and of mixer; say which by Components:0:Slot."), (", \"Slot\": \"feed_forward\"", null) })
        {
            var services = new ServiceCollection();
            services.AddLanguageModel(Json(Text.Replace("SLOT", slot, StringComparison.Ordinal)).Build(), kinds => kinds.Add(twin));
            using var provider = services.BuildServiceProvider();
            if (expected is null)
                Start(provider);
            else
                Assert.Equal(expected, Assert.Throws<OptionsValidationException>(() => Start(provider)).Message);
        }
    }

    [Fact]
    public void A_verbs_component_is_not_blamed_on_the_section()
    {
        var services = new ServiceCollection();
        services.AddLanguageModel(Section(Whole)).AddAttention(attention => attention.HeadCount = 3);
        using var provider = services.BuildServiceProvider();
        Assert.Contains("($.components[6].options.num_attention_heads)", Assert.Throws<OptionsValidationException>(() => Start(provider)).Message, StringComparison.Ordinal);
    }

    private static IConfigurationSection Section(string json) => Json(json).Build().GetSection("Models:Small");

    private static IConfigurationBuilder Json(string json) => new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)));

    private static void Start(IServiceProvider provider) => provider.GetRequiredService<IStartupValidator>().Validate();

    private sealed class FixedFeedForward() : TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>("twin")
    {
        public override TorchSharp.torch.Tensor forward(TorchSharp.torch.Tensor input) => input.alias();
    }
}
