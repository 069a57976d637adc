using System.Diagnostics;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Composition.Tests;

/// <summary>What a model says of itself, against counts by hand for width 8, 11 tokens and two layers in float32.</summary>
[NoTensorLeak]
public class DescriptionTests
{
    private const long Norms = 2 * (8 + 8);
    private const long Attention = 4 * ((8 * 8) + 8);
    private const long Mlp = (32 * 8) + 32 + (8 * 32) + 8;
    private const long Layer = Norms + Attention + Mlp;
    private const long Embedding = 11 * 8;
    private const long LastNorm = 8 + 8;
    private const long Place = 8 + 8; // a cached token's position and document
    private const long Row = (3 * 8) + (4 * 8) + 16; // of a cache without a token: a row's three numbers, the four that it can go back to, and the 16 letters of its mask's name
    private const long LayerLinears = (4 * 64) + (2 * 256);

    /// <summary>Name of the model, all parameters, those of layer 1, what linears hold, what dense ones would, state bytes of layer 1 per row and token.</summary>
    public static TheoryData<string, long, long, long, long, long, long> Counts => new()
    {
        { "tied", Embedding + (2 * Layer) + LastNorm, Layer, 2 * LayerLinears, 2 * LayerLinears, Row, (2 * 8 * 4) + Place },
        { "untied", (2 * Embedding) + (2 * Layer) + LastNorm, Layer, (2 * LayerLinears) + Embedding, (2 * LayerLinears) + Embedding, Row, (2 * 8 * 4) + Place },
        { "packed", Embedding + (2 * Layer) + LastNorm, Layer, 2 * LayerLinears, 2 * LayerLinears, Row, (2 * 8 * 4) + Place },
        { "grouped", Embedding + (2 * (Layer - (2 * ((4 * 8) + 4)))) + LastNorm, Layer - (2 * ((4 * 8) + 4)), 2 * (LayerLinears - 64), 2 * (LayerLinears - 64), Row, (2 * 4 * 4) + Place },
        // Four blocks of 2 x 2 in each of two factors hold 32 numbers for 64.
        { "monarch", Embedding + (2 * (Layer - 32)) + LastNorm, Layer - 32, 2 * (LayerLinears - 32), 2 * LayerLinears, Row, (2 * 8 * 4) + Place },
        { "adapted", Embedding + (2 * (Layer + (2 * 2 * 8))) + LastNorm, Layer + (2 * 2 * 8), 2 * (LayerLinears + (2 * 2 * 8)), 2 * LayerLinears, Row, (2 * 8 * 4) + Place },
    };

    [Theory]
    [MemberData(nameof(Counts))]
    public void A_models_figures_are_those_counted_by_hand(string name, long all, long layer, long linears, long dense, long perRow, long perToken)
    {
        using var model = Model(name);
        var described = model.Describe();

        Assert.Equal(all, described.ParameterCount);
        Assert.Equal(4 * all, described.ByteCount);
        Assert.Equal(layer, described.Layers[1].ParameterCount);
        Assert.Equal(4 * layer, described.Layers[1].ByteCount);
        Assert.Equal(linears, described.LinearCount);
        Assert.Equal(dense, described.DenseLinearCount);
        Assert.Equal(perToken, described.Layers[1].StateBytesPerToken);
        Assert.True(described.Layers[1].StateBytesPerRow == perRow, $"{described.Layers[1].StateBytesPerRow} bytes a row.");
        Assert.Equal(described.ToString(), model.Config.Describe(new ComponentRegistry().AddStructured().AddTuning()).ToString());
    }

    [Fact]
    public void The_state_that_is_described_is_the_state_that_is_carried()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ChangeLines.Model("hybrid");
        var described = model.Describe();
        Assert.Equal(("h3", "attention"), (described.Layers[0].Mixer, described.Layers[1].Mixer));
        Assert.Equal((null, "causal"), (described.Layers[0].Mask, described.Layers[1].Mask));
        Assert.Equal(0, described.Layers[0].StateBytesPerToken);
        using var state = (ModelState)model.NewState(1);
        long Bytes(int layer) => state.Layers[layer].Tensors.Values.Sum(tensor => tensor.numel() * tensor.element_size());
        Assert.Equal(described.Layers[0].StateBytesPerRow, Bytes(0));
        model.call(zeros([1, 5], ScalarType.Int64), new SequenceContext(state)).Dispose();
        Assert.Equal(described.Layers[0].StateBytesPerRow, Bytes(0));
        Assert.Equal(described.Layers[1].StateBytesPerRow + (5 * described.Layers[1].StateBytesPerToken), Bytes(1));
    }

    [Fact]
    public void The_table_names_what_stands_in_each_layer()
    {
        using var model = ChangeLines.Builder("hybrid").AddRotary(layers: [1]).AddGatedMlp(layers: [1]).AddTopKAutoencoder(options => options.FeatureCount = 9, layers: [0]).AddGatedAutoencoder(options => options.FeatureCount = 9, layers: [0]).Build();
        var lines = model.Describe().ToString().Split('\n');
        Assert.Matches(@"^0 +sequential +h3 +- +- +mlp +layer_norm +\d+ \w+.* top_k, gated +", lines[1]);
        Assert.Matches(@"^1 +sequential +attention +causal +rotary +gated_mlp +layer_norm +\d+ \w+ +- +", lines[2]);
        Assert.StartsWith("all: ", lines[3], StringComparison.Ordinal);
    }

    [Fact]
    public void Describing_a_configuration_makes_no_weights()
    {
        var builder = new LanguageModelBuilder { VocabSize = 50_000, ModelDim = 8192, LayerCount = 16 }.AddAttention(attention => attention.HeadCount = 64);
        using var process = Process.GetCurrentProcess();
        var before = process.WorkingSet64;
        var described = builder.Config.Describe();
        process.Refresh();

        Assert.Equal((50_000L * 8192) + (16 * ((12L * 8192 * 8192) + (13L * 8192))) + (2 * 8192), described.ParameterCount);
        Assert.True(described.ParameterCount > 10_000_000_000);
        Assert.True(process.WorkingSet64 - before < 1L << 30, $"{(process.WorkingSet64 - before) >> 20} MiB more.");
    }

    [Theory]
    [InlineData("layers", "LanguageModelOptions.LayerCount = 1000000000")]
    [InlineData("features", "$.components[1].options")]
    public void An_absurd_configuration_is_refused(string what, string named)
    {
        var builder = ToyModel.Builder(2, ScalarType.Float32).AddAttention();
        if (what == "layers")
            builder.LayerCount = 1_000_000_000;
        else
            builder.AddTopKAutoencoder(options => options.FeatureCount = long.MaxValue);
        var error = Assert.Throws<ConfigurationException>(() => builder.Config.Describe(builder.Kinds));
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
    }

    private static LanguageModel Model(string name) => name switch
    {
        "packed" => ChangeLines.Builder("tied").AddPackedLinear().AddPackedLinear(sites: [LinearSite.Head]).Build(),
        "grouped" => ChangeLines.Builder("tied").AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (2, 1)).Build(),
        "monarch" => ChangeLines.Builder("tied").AddMonarchLinear(monarch => monarch.BlockCount = 4, sites: ["k_proj"]).Build(),
        "adapted" => ChangeLines.Builder("tied").UseLora(lora => lora.Rank = 2, sites: ["q_proj"]).Build(),
        _ => ChangeLines.Model(name),
    };
}
