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
            "LanguageModelOptions.IsHeadTied = true ($.model.tie_word_embeddings), but 'own' cannot stand at lm_head, because it does not use the embedding's table; set it to false, or leave lm_head out of the sites.");
    }

    [Fact]
    public void A_part_in_an_empty_list_of_layers_is_refused() => Refused(
        ToyModel.Builder().AddAttention().AddAttention(layers: []),
        "$.components[1]",
        "nothing in an empty list of layers asks for a mixer, so 'attention' has nothing to act on; drop it, or add a block that asks for one.");

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData(null)]
    public void A_site_without_a_name_is_refused_where_it_stands(string? site) => Refused(
        ToyModel.Builder().AddAttention().AddPackedLinear(sites: ["q_proj", site!]),
        "$.components[1].sites[1]",
        $"'{site}' names no linear; a site is a name such as q_proj or mlp.*.");

    [Fact]
    public void A_kind_that_makes_nothing_is_named()
    {
        Nothing(Slots.Block.Define("nothing", _ => (IBlock)null!));
        Nothing(Slots.Mixer.Define("nothing", _ => (IMixer)null!));
        Nothing(Slots.Mask.Define("nothing", _ => (IAttentionMask)null!));
        Nothing(Slots.Positions.Define("nothing", _ => (PositionEncoding)null!));
        Nothing(Slots.FeedForward.Define("nothing", _ => null!));
        Nothing(Slots.Norm.Define("nothing", _ => null!));
        Nothing(Slots.Linear.Define("nothing", _ => (ILinear)null!));
        Nothing(Slots.LinearWrapper.Define("nothing", _ => (ILinear)null!));
        Nothing(Slots.Embedding.Define("nothing", _ => (IEmbedding)null!));
        Nothing(Slots.Head.Define("nothing", _ => (LanguageModelHead)null!));
        Nothing(Slots.Dictionary.Define("nothing", _ => (IDictionary)null!));
        using var model = ToyModel.Builder().AddAttention().Add(Slots.Sampler.Define("nothing", _ => (ISampler)null!)).Build();
        Assert.Contains("sampler 'nothing' made nothing", Assert.Throws<ConfigurationException>(model.CreateSampler).Message, StringComparison.Ordinal);

        static void Nothing<TPart>(Kind<TPart> kind)
            where TPart : class => Refused(ToyModel.Builder().AddAttention().Add(kind), "$.components[1]", $"the {kind} made nothing (null); a kind makes its part, or says why it cannot.");
    }

    [Fact]
    public void A_mixer_that_asks_for_the_mixer_of_its_own_layer_is_refused()
    {
        var mirror = Slots.Mixer.Define("mirror", layer => layer.Within("inner").Mixer());

        Refused(ToyModel.Builder().Add(mirror), "$.components[0]", "the mixer 'mirror' asks for a mixer of its own layer, which is itself; make that part without the layer's slot.");
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
