using LmKit.Conformance;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>Where a condition is made, who takes it, and what is refused.</summary>
[NoTensorLeak]
public sealed class ConditioningTests
{
    private static readonly Kind<IConditioning> two = Slots.Conditioning.Define("toy_two", layer => new TwoNumbers(layer));

    [Fact]
    public void A_conditioning_of_ones_own_reaches_every_block_and_the_last_norm()
    {
        using var scope = NewDisposeScope();
        var builder = Bidirectional().Add(two).AddDiffusionBlock().AddAttention(attention => attention.HeadCount = 2).AddModulatedLayerNorm();
        using var model = builder.Build();
        Stir(model);
        var tokens = arange(0, 8, ScalarType.Int64).view(2, 4);

        Tensor Logits(params double[] levels) => model.call(tokens, new SequenceContext { Level = tensor(levels) });
        var both = Logits(0.5, 3);

        Close.Check("row 0", Logits(0.5)[0], both[0], absolute: 1e-12);
        Close.Check("row 1", Logits(3)[1], both[1], absolute: 1e-12);
        Assert.True((Logits(0.5)[1] - both[1]).abs().max().item<double>() > 1e-4);
        Assert.NotNull(model.get_parameter("ln_f.adaLN_modulation.weight"));
    }

    [Fact]
    public void A_block_that_cannot_be_conditioned_is_named_with_the_conditioning()
    {
        var builder = Bidirectional().AddTimestepConditioning().AddDiffusionBlock(layers: [0]).AddAttention();

        Assert.Equal(
            "$.components[0]: the block 'sequential' of layer 1 cannot be conditioned, but conditioning 'timestep' is configured; take a block that is (AddDiffusionBlock of LmKit.Diffusion), or drop the conditioning.",
            Assert.Throws<ConfigurationException>(() => builder.Build()).Message);
    }

    [Fact]
    public void A_diffusion_block_without_a_conditioning_names_the_verb_to_add() =>
        Refused(Bidirectional().AddDiffusionBlock().AddAttention(), "layers.0", "AddTimestepConditioning");

    [Fact]
    public void A_modulated_norm_stands_only_behind_the_last_layer() =>
        Refused(Bidirectional().AddTimestepConditioning().AddDiffusionBlock().AddAttention().Add(DiffusionModelComponents.ModulatedLayerNorm, layers: [0]), "layers.0.norm1", "layers: [2]");

    [Fact]
    public void A_level_and_a_conditioning_come_together()
    {
        using var scope = NewDisposeScope();
        using var plain = Bidirectional().AddAttention().Build();
        using var conditioned = DiffusionTransformer.Build(DistillerRun.Sizes);
        var tokens = zeros(2, 3, ScalarType.Int64);

        string Refusal(LanguageModel model, SequenceContext? context) => Assert.Throws<ArgumentException>(() => model.call(tokens, context)).Message;

        Assert.Contains("no conditioning", Refusal(plain, new SequenceContext { Level = zeros(2) }), StringComparison.Ordinal);
        Assert.Contains("TimestepEmbedding and is told no level", Refusal(conditioned, null), StringComparison.Ordinal);
        Assert.Contains("one for each of 2; got (3)", Refusal(conditioned, new SequenceContext { Level = zeros(3) }), StringComparison.Ordinal);
        Assert.Contains("Condition is what a model makes", Refusal(conditioned, new SequenceContext { Level = zeros(2), Condition = zeros(2, 8) }), StringComparison.Ordinal);
        Assert.Contains("AddTimestepConditioning", Assert.Throws<ArgumentException>(() => new LanguageModelDenoiser(plain, 4, isTimeConditioned: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_denoiser_tells_true_levels_where_the_configuration_or_its_maker_says_so()
    {
        using var scope = NewDisposeScope();
        var sizes = DistillerRun.Sizes;
        using var blind = DiffusionTransformer.Build(sizes);
        sizes.IsTimeConditioned = true;
        using var told = DiffusionTransformer.Build(sizes);
        Stir(blind);
        Stir(told);
        var tokens = full(2, 4, 4, ScalarType.Int64);

        bool Reads(LanguageModelDenoiser denoiser) => !denoiser.call(tokens, full(2, 0.2)).eq(denoiser.call(tokens, full(2, 3.0))).all().ToBoolean();

        Assert.Equal((false, true), (Reads(new LanguageModelDenoiser(blind, 4)), Reads(new LanguageModelDenoiser(told, 4))));
        Assert.Equal((true, false), (Reads(new LanguageModelDenoiser(blind, 4, isTimeConditioned: true)), Reads(new LanguageModelDenoiser(told, 4, isTimeConditioned: false))));
    }

    [Fact]
    public void Soft_rows_mix_the_vectors_of_tokens_and_certain_ones_equal_the_tokens()
    {
        using var scope = NewDisposeScope();
        using var model = Bidirectional().AddAttention().Build();
        var tokens = arange(0, 8, ScalarType.Int64).view(2, 4);
        var certain = nn.functional.one_hot(tokens, ToyModel.VocabSize).to(ScalarType.Float64) * 1e9;
        var segments = tensor(new long[] { -1, 0, 0, 0, 0, 0, 1, 1 }, [2, 4]);

        Close.Check("logits", model.call(tokens, null), model.call(certain, null), absolute: 1e-12);
        Close.Check("packed and padded", model.call(tokens, new SequenceContext(Segments: segments))[1], model.call(certain, new SequenceContext(Segments: segments))[1], absolute: 1e-12);
        Assert.Contains("TokenEmbedding", Assert.Throws<ArgumentException>(() => model.call(zeros(2, 4, 3), null)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sites_outside_the_layers_are_reached_by_their_whole_paths_alone()
    {
        using var scope = NewDisposeScope();
        LanguageModelBuilder Builder() => new LanguageModelBuilder().AddDiffusionTransformer(options => (options.VocabSize, options.ModelDim, options.LayerCount, options.HeadCount) = (5, 16, 1, 2));
        using var everywhere = Builder().AddPackedLinear().Build();
        using var named = Builder().AddPackedLinear(sites: ["conditioning.fc1", "ln_f.adaLN_modulation", "lm_head"]).Build();

        string[] Packed(LanguageModel model) => [.. model.named_modules().Where(pair => pair.module is PackedLinear).Select(pair => pair.name).Order(StringComparer.Ordinal)];

        Assert.Equal(["layers.0.adaLN_modulation", "layers.0.mixer.k_proj", "layers.0.mixer.out_proj", "layers.0.mixer.q_proj", "layers.0.mixer.v_proj", "layers.0.mlp.fc1", "layers.0.mlp.fc2"], Packed(everywhere));
        Assert.Equal(["conditioning.fc1", "lm_head", "ln_f.adaLN_modulation"], Packed(named));
        Refused(Builder().AddPackedLinear(sites: ["fc9"]), "'fc9' names no linear of this model", "ln_f.adaLN_modulation");
    }

    internal static void Stir(LanguageModel model)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(5);
        foreach (var parameter in model.parameters())
            parameter.add_((randn(parameter.shape, generator: random) * 0.3).to(parameter.dtype));
    }

    private static LanguageModelBuilder Bidirectional()
    {
        var builder = ToyModel.Builder();
        builder.Options.IsBidirectional = true;
        return builder;
    }

    private static void Refused(LanguageModelBuilder builder, params string[] parts)
    {
        var message = Assert.Throws<ConfigurationException>(() => builder.Build()).Message;
        Assert.All(parts, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    /// <summary>The level and its square, scaled.</summary>
    private sealed class TwoNumbers : nn.Module<Tensor, Tensor>, IConditioning
    {
        private readonly Parameter scale;

        internal TwoNumbers(LayerContext layer)
            : base(nameof(TwoNumbers))
        {
            scale = layer.Parameters.Constant(0.5, 2);
            RegisterComponents();
        }

        public long ConditionDim => 2;

        public override Tensor forward(Tensor level)
        {
            using var scope = NewDisposeScope();
            return (stack([level, level.square()], 1) * scale).MoveToOuterDisposeScope();
        }
    }
}
