using System.Collections.Immutable;
using LmKit.Conformance;

namespace LmKit.Core.Tests;

/// <summary>Components where they cannot stand: each is one sentence with the names.</summary>
[NoTensorLeak]
public sealed class SlotRefusalTests
{
    [Fact]
    public void A_kind_of_another_slot_is_named_with_both_slots()
    {
        Refused(Toy.With(new ComponentEntry(Slots.FeedForward, "rotary", "LmKit.Core", [])), "$.components[1].kind", "'rotary' is a positions kind of LmKit.Core, not a feed_forward kind.");
        var own = Slots.Mask.Define("keyhole", _ => new CausalMask());
        Refused(Toy.With(new ComponentEntry(Slots.Norm, "keyhole", "LmKit.Core.Tests", [])), "$.components[1].kind", "'keyhole' is a mask kind of LmKit.Core.Tests, not a norm kind.", new ComponentRegistry().Add(own));
    }

    [Fact]
    public void A_slot_of_which_there_is_one_takes_no_layers()
    {
        var entry = new ComponentEntry(Slots.Head, "linear", "LmKit.Core", [], ImmutableArray.Create(0));

        Refused(Toy.With(entry), "$.components[1].layers", "'linear' acts on the whole model, not in single layers; leave the layers out.");
        var error = Assert.Throws<ArgumentException>(() => ToyModel.Builder().Add(HeadComponents.Linear, layers: [0]));
        Assert.Equal("layers", error.ParamName);
        Assert.Contains("There is one head for the whole model, so head 'linear' takes no layers.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_slot_without_linears_takes_no_sites()
    {
        var entry = new ComponentEntry(Slots.Norm, "rms_norm", "LmKit.Core", [], sites: ImmutableArray.Create("norm1"));

        Refused(Toy.With(entry), "$.components[1].sites", "sites are those of linears, and 'rms_norm' is a norm; leave them out.");
        var error = Assert.Throws<ArgumentException>(() => ToyModel.Builder().Add(NormComponents.RmsNorm, sites: ["norm1"]));
        Assert.Equal("sites", error.ParamName);
        Assert.Contains("Sites are those of linears; norm 'rms_norm' is not one.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_is_not_in_a_layer() => Refused(
        ToyModel.Builder().AddAttention().AddPackedLinear(sites: [LinearSite.Head], layers: [0]).Config,
        "$.components[1].sites",
        "'lm_head' is not in a layer, but 'packed' is given layers; add it for lm_head by itself, without layers.");

    [Fact]
    public void A_linear_with_a_weight_of_its_own_cannot_stand_at_a_tied_head()
    {
        var own = Slots.Linear.Define("own", site => new DenseLinear(site));

        Refused(
            ToyModel.Builder().AddAttention().Add(own, sites: [LinearSite.Head]),
            "$.components[1]",
            "'own' cannot stand at lm_head, because tie_word_embeddings = true makes the head the embedding's table; set it to false, or leave lm_head out of the sites.");
    }

    [Fact]
    public void Learned_positions_take_no_layers() => Refused(
        ToyModel.Builder().AddAttention().Add(PositionComponents.Learned, options => options.Count = 4, layers: [0]),
        "$.components[1].layers",
        "'learned' acts on the whole model, not in single layers; leave the layers out.");

    [Fact]
    public void Positions_that_nothing_asks_for_are_refused()
    {
        var sum = Slots.Mixer.Define("sum", layer => new BrokenMixer(BrokenLaw.None, layer.ModelDim));

        Refused(ToyModel.Builder().Add(sum).AddRotary(), "$.components[1]", "nothing in this model asks for positions, so 'rotary' has nothing to act on; add attention layers or drop it.");
        Refused(ToyModel.Builder().Add(sum).AddNoPositions(), "$.components[1]", "nothing in this model asks for positions, so 'none' has nothing to act on; add attention layers or drop it.");
        Refused(ToyModel.Builder().Add(sum).AddAttention(layers: [1]).AddAlibi(layers: [0]), "$.components[2]", "nothing in layers 0 asks for positions, so 'alibi' has nothing to act on; add attention layers or drop it.");
    }

    [Fact]
    public void Learned_positions_beside_an_embedding_that_has_no_place_for_them_are_refused()
    {
        var bare = Slots.Embedding.Define("bare", layer => new BareEmbedding(layer));

        Refused(ToyModel.Builder().AddAttention().Add(bare).AddLearnedPositions(8), "$.components[2]", "nothing in this model asks for positions, so 'learned' has nothing to act on; add attention layers or drop it.");
        Refused(ToyModel.Builder().AddAttention().Add(bare).AddLearnedPositions(8).AddAlibi(), "$.components[2]", "nothing in this model asks for positions, so 'learned' has nothing to act on; add attention layers or drop it.");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Learned_positions_and_an_encoding_of_attention_stand_beside_each_other_in_either_order(bool isLearnedLast)
    {
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var model = (isLearnedLast ? ToyModel.Builder().AddAttention().AddRotary().AddLearnedPositions(16) : ToyModel.Builder().AddAttention().AddLearnedPositions(16).AddRotary()).Build();
        using var learned = ToyModel.Builder().AddAttention().AddLearnedPositions(16).Build();
        using var again = LanguageModel.Build(model.Config, new ComponentRegistry(), dtype: TorchSharp.torch.ScalarType.Float64);
        var tokens = LanguageModelTests.Tokens(1, 12);

        Assert.Equal(16, model.ContextLength);
        Assert.Equal(learned.named_parameters().Select(pair => pair.name), model.named_parameters().Select(pair => pair.name));
        Assert.False(learned.call(tokens, null).allclose(model.call(tokens, null)));
        Assert.True(again.call(tokens, null).Equals(model.call(tokens, null)));
    }

    [Fact]
    public void The_last_encoding_of_a_layer_and_the_last_table_win()
    {
        using var model = ToyModel.Builder().AddAttention().AddLearnedPositions(8).AddRotary(rotary => rotary.Dim = 100).AddAlibi().AddLearnedPositions(16).Build();

        Assert.Equal(16, model.ContextLength);
    }

    private static ModelConfig Toy => ToyModel.Builder().AddAttention().Config;

    private static void Refused(LanguageModelBuilder builder, string path, string message) => Refused(builder.Config, path, message, builder.Kinds);

    private static void Refused(ModelConfig config, string path, string message, ComponentRegistry? kinds = null)
    {
        var error = Assert.Throws<ConfigurationException>(() => LanguageModel.Build(config, kinds ?? new ComponentRegistry()).Dispose());
        Assert.Equal(path, error.Path);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    // Asks for no positions.
    private sealed class BareEmbedding : TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, SequenceContext?, TorchSharp.torch.Tensor>, IEmbedding
    {
        private readonly EmbeddingTable words;

        internal BareEmbedding(LayerContext layer)
            : base(nameof(BareEmbedding))
        {
            words = new EmbeddingTable(ToyModel.VocabSize, layer.ModelDim, 0.4, layer.Parameters);
            RegisterComponents();
        }

        public TorchSharp.Modules.Parameter? Table => words.get_parameter("weight");

        public override TorchSharp.torch.Tensor forward(TorchSharp.torch.Tensor tokens, SequenceContext? context) => words.call(tokens);
    }
}
