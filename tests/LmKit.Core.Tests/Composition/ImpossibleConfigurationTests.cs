using System.Collections.Immutable;
using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class ImpossibleConfigurationTests
{
    [Fact]
    public void An_unknown_kind_names_the_place_the_kind_and_the_package_to_add()
    {
        var entry = new ComponentEntry(Slots.Mixer, "wave", "Ocean.Waves", [], ImmutableArray.Create(0));
        var error = Fails(ToyModel.Builder().AddAttention().Config.With(entry));

        Assert.Equal("$.components[1].kind", error.Path);
        Assert.Contains("'wave'", error.Message, StringComparison.Ordinal);
        Assert.Contains("dotnet add package Ocean.Waves", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_option_names_the_place()
    {
        var entry = new ComponentEntry(Slots.Mixer, "attention", "LmKit.Core", new JsonObject { ["heads"] = 2 });
        var error = Fails(ToyModel.Builder().Config.With(entry));

        Assert.StartsWith("$.components[0].options", error.Path, StringComparison.Ordinal);
        Assert.Contains("heads", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(-1)]
    public void A_layer_out_of_range_is_refused(int layer) =>
        Fails(ToyModel.Builder().AddAttention().AddMlp(layers: [layer]), "$.components[1].layers", $"{layer} is not a layer", "0 to 1");

    [Fact]
    public void A_layer_without_a_mixer_is_refused() =>
        Fails(ToyModel.Builder().AddAttention(layers: [0]), "$.components", "layer 1 has no mixer", "AddAttention");

    [Fact]
    public void Heads_that_do_not_divide_the_width_are_refused() =>
        Fails(ToyModel.Builder().AddAttention(a => a.HeadCount = 3), "$.components[0].options", "num_attention_heads = 3", "d_model = 8");

    [Fact]
    public void Key_heads_that_do_not_divide_the_heads_are_refused() =>
        Fails(ToyModel.Builder().AddAttention(a => (a.HeadCount, a.KeyValueHeadCount) = (4, 3)), "$.components[0].options", "num_key_value_heads = 3");

    [Fact]
    public void An_odd_rotary_width_is_refused() =>
        Fails(ToyModel.Builder(modelDim: 6).AddAttention(a => a.HeadCount = 2).AddRotary(), "$.components[1].options", "rotary_dim = 3");

    [Fact]
    public void A_rotary_width_beyond_the_head_is_refused() =>
        Fails(ToyModel.Builder().AddAttention().AddRotary(r => r.Dim = 10), "$.components[1].options", "rotary_dim = 10", "head width 8");

    [Fact]
    public void A_value_out_of_range_names_option_and_value() =>
        Fails(ToyModel.Builder().AddAttention(a => a.DropoutRate = 1), "$.components[0].options.attention_dropout", "AttentionOptions.DropoutRate = 1");

    [Fact]
    public void A_value_that_is_no_number_is_refused_by_the_verb()
    {
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddRotary(r => r.Base = double.NaN));

        Assert.Contains("RotaryOptions.Base = NaN", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_size_that_was_not_set_names_the_option() =>
        Fails(new LanguageModelBuilder { VocabSize = 5, LayerCount = 1 }.AddAttention(), "$.model.d_model", "ModelDim = 0");

    [Fact]
    public void A_causal_mask_on_a_bidirectional_model_is_refused()
    {
        var builder = ToyModel.Builder().AddAttention().AddCausalMask();
        builder.Options.IsBidirectional = true;

        Fails(builder, "$.components[0]", "'attention'", "is causal", "is_bidirectional");
    }

    [Fact]
    public void A_bidirectional_mask_on_a_causal_model_is_refused() =>
        Fails(ToyModel.Builder().AddAttention().AddBidirectionalMask(layers: [1]), "$.components[0]", "layer 1", "not causal");

    [Fact]
    public void A_site_that_names_no_linear_is_refused_with_the_names_there_are() =>
        Fails(ToyModel.Builder().AddAttention().AddDenseLinear(sites: ["q_proj", "query"]), "$.components[1].sites", "'query'", "q_proj, k_proj, v_proj, out_proj, fc1, fc2");

    [Fact]
    public void A_site_of_a_layer_that_lacks_it_is_refused() =>
        Fails(ToyModel.Builder().AddAttention().AddGatedMlp(layers: [1]).AddDenseLinear(sites: ["fc1"], layers: [1]), "$.components[2].sites", "'fc1'");

    [Fact]
    public void A_mask_that_nothing_asks_for_is_refused()
    {
        var sum = Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim));

        Fails(ToyModel.Builder().Add(sum).AddCausalMask(), "$.components[1]", "no layer", "'causal'");
    }

    [Fact]
    public void A_mask_for_layers_that_ask_for_none_is_refused()
    {
        var sum = Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim));

        Fails(ToyModel.Builder().Add(sum).AddAttention(layers: [1]).AddCausalMask(layers: [0]), "$.components[2]", "'causal'");
    }

    [Fact]
    public void Two_kinds_of_one_name_are_refused()
    {
        var impostor = Slots.Mixer.Define<AttentionOptions>("attention", (options, layer) => new Attention(options, layer));

        var error = Assert.Throws<ArgumentException>(() => new ComponentRegistry().Add(impostor));
        Assert.Contains("'attention'", error.Message, StringComparison.Ordinal);
    }

    private static void Fails(LanguageModelBuilder builder, string path, params string[] words)
    {
        var error = Fails(builder.Config, builder.Kinds);
        Assert.Contains(path, error.Path, StringComparison.Ordinal);
        Assert.All(words, word => Assert.Contains(word, error.Message, StringComparison.Ordinal));
    }

    private static ConfigurationException Fails(ModelConfig config, ComponentRegistry? kinds = null) =>
        Assert.Throws<ConfigurationException>(() => LanguageModel.Build(config, kinds ?? new ComponentRegistry()));
}
