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
        Fails(ToyModel.Builder().AddAttention(a => a.HeadCount = 3), "$.components[0].options.num_attention_heads", "AttentionOptions.HeadCount = 3 ($.components[0].options.num_attention_heads) does not divide ModelDim = 8; give HeadDim.");

    [Fact]
    public void Key_heads_that_do_not_divide_the_heads_are_refused() =>
        Fails(ToyModel.Builder().AddAttention(a => (a.HeadCount, a.KeyValueHeadCount) = (4, 3)), "$.components[0].options.num_key_value_heads", "AttentionOptions.KeyValueHeadCount = 3 ($.components[0].options.num_key_value_heads) does not divide HeadCount = 4.");

    [Fact]
    public void An_odd_rotary_width_is_refused() =>
        Fails(ToyModel.Builder(modelDim: 6).AddAttention(a => a.HeadCount = 2).AddRotary(), "$.components[1].options", "head width 3, is odd");

    [Fact]
    public void A_rotary_width_beyond_the_head_is_refused() =>
        Fails(ToyModel.Builder().AddAttention(a => a.HeadCount = 2).AddRotary(r => r.Dim = 10), "$.components[1].options", "RotaryOptions.Dim = 10", "head width 4");

    [Fact]
    public void A_value_out_of_range_names_option_and_value()
    {
        var verb = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddCausalMask().AddAttention(a => a.DropoutRate = 1));
        Assert.Equal("$.components[1].options.attention_dropout", verb.Path);
        Assert.Contains("AttentionOptions.DropoutRate = 1", verb.Message, StringComparison.Ordinal);

        var file = Fails(ModelConfig.FromJson(ToyModel.Builder().AddAttention().Config.ToJson().Replace("\"attention_dropout\": 0", "\"attention_dropout\": 1", StringComparison.Ordinal)));
        Assert.Equal("$.components[0].options.attention_dropout", file.Path);
        Assert.Contains("AttentionOptions.DropoutRate = 1", file.Message, StringComparison.Ordinal);
    }

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

        Fails(ToyModel.Builder().Add(sum).AddCausalMask(), "$.components[1]", "nothing in this model asks for a mask", "'causal'");
    }

    [Fact]
    public void A_mask_for_layers_that_ask_for_none_is_refused()
    {
        var sum = Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim));

        Fails(ToyModel.Builder().Add(sum).AddAttention(layers: [1]).AddCausalMask(layers: [0]), "$.components[2]", "nothing in layers 0 asks for a mask", "'causal'");
    }

    [Fact]
    public void A_part_that_no_block_asks_for_is_refused()
    {
        var bare = Slots.Block.Define("bare", layer => new BareBlock(layer));

        Fails(ToyModel.Builder().Add(bare).AddAttention().AddMlp(), "$.components[2]", "asks for a feed-forward part", "'mlp'");
        Fails(ToyModel.Builder().Add(bare, [1]).AddAttention().AddRmsNorm(layers: [1]), "$.components[2]", "layers 1", "asks for a norm", "'rms_norm'");
    }

    [Fact]
    public void A_dropout_that_a_part_does_not_apply_is_refused()
    {
        var bare = Slots.Block.Define("bare", layer => new BareBlock(layer));
        var builder = ToyModel.Builder().Add(bare, [1]).AddAttention();
        builder.Options.ResidualDropoutRate = 0.1;
        Fails(builder, "$.model.residual_dropout_rate", "LanguageModelOptions.ResidualDropoutRate = 0.1", "'bare'");
        var constant = Slots.Embedding.Define("constant", layer => new ConstantEmbedding(layer));
        builder = ToyModel.Builder().Add(constant).AddAttention();
        (builder.Options.EmbeddingDropoutRate, builder.Options.IsHeadTied) = (0.2, false);
        Fails(builder, "$.model.embedding_dropout_rate", "LanguageModelOptions.EmbeddingDropoutRate = 0.2", "'constant'");
    }

    [Fact]
    public void A_part_that_is_not_a_module_is_refused_with_its_kind()
    {
        var block = Slots.Block.Define("loose_block", layer => new LooseBlock(layer.Mixer()));
        Fails(ToyModel.Builder().AddAttention().Add(block), "$.components[1]", "LooseBlock", "'loose_block'", "torch.nn.Module");
        var linear = Slots.Linear.Define("loose_linear", site => new LooseLinear(new DenseLinear(site)));
        Fails(ToyModel.Builder().AddAttention().Add(linear, sites: ["fc1"]), "$.components[1]", "LooseLinear", "'loose_linear'", "torch.nn.Module");
        var wrapper = Slots.LinearWrapper.Define("loose_wrapper", place => new LooseLinear(place.Inner));
        Fails(ToyModel.Builder().AddAttention().Add(wrapper, sites: [LinearSite.Head]), "$.components[1]", "LooseLinear", "'loose_wrapper'", "torch.nn.Module");
    }

    [Fact]
    public void A_block_whose_mixer_sees_the_wrong_way_is_refused()
    {
        var blind = Slots.Block.Define("blind", layer => new BareBlock(layer, isCausal: true));
        var builder = ToyModel.Builder().Add(blind);
        builder.Options.IsBidirectional = true;
        Fails(builder, "$.components[0]", "'blind'", "layer 0", "is causal", "LanguageModelOptions.IsBidirectional = true ($.model.is_bidirectional)");
        var seeing = Slots.Block.Define("seeing", layer => new BareBlock(layer, isCausal: false));
        Fails(ToyModel.Builder().AddAttention().Add(seeing, [1]), "$.components[1]", "'seeing'", "layer 1", "not causal", "IsBidirectional = false");
    }

    [Fact]
    public void A_tied_head_without_a_table_is_refused_by_both_names()
    {
        Fails(ToyModel.Builder().AddAttention().Add(ToyParts.Embedding), "$.model.tie_word_embeddings", "LanguageModelOptions.IsHeadTied = true ($.model.tie_word_embeddings)", nameof(ToyEmbedding));
        Fails(ToyModel.Builder().AddAttention().Add(ToyParts.Head), "$.model.tie_word_embeddings", "LanguageModelOptions.IsHeadTied = true ($.model.tie_word_embeddings)", "'toy_narrow'");
        var own = Slots.Linear.Define("own", site => new DenseLinear(site));
        Fails(ToyModel.Builder().AddAttention().Add(own, sites: [LinearSite.Head]), "$.components[1]", "LanguageModelOptions.IsHeadTied = true ($.model.tie_word_embeddings)", "'own'", "lm_head");
    }

    [Fact]
    public void Options_of_embedding_and_head_out_of_range_are_refused_by_the_verb()
    {
        Assert.Contains("TokenEmbeddingOptions.Scale = 0", Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddTokenEmbedding(token => token.Scale = 0)).Message, StringComparison.Ordinal);
        Assert.Contains("LinearHeadOptions.SoftCap = -1", Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddLinearHead(head => head.SoftCap = -1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_kinds_of_one_name_are_refused()
    {
        var impostor = Slots.Mixer.Define("attention", layer => new Attention(new AttentionOptions(), layer));

        Fails(ToyModel.Builder().Add(impostor), "$.components[0].kind", "'attention'", "LmKit.Core.Tests is called", "one of LmKit.Core is already");
        Fails(ToyModel.Builder().AddAttention().Config, new ComponentRegistry().Add(impostor));
        var error = Assert.Throws<ArgumentException>(() => new ComponentRegistry().Add(AttentionComponent.Kind).Add(impostor));
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
