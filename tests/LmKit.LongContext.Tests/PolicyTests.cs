using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>What the policies mean beside one another, and what they refuse.</summary>
[NoTensorLeak]
public class PolicyTests
{
    private const long Window = 6;
    private const long Starts = 3;

    private static (string Name, Action<LanguageModelBuilder> Add)[] SameKeys =>
    [
        ("Lambda", builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts))),
        ("the mask alone", builder => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.ShowsTrueDistances) = (Window, Starts, true))),
        ("StreamingLLM", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (Starts, Window - 1))),
        ("StreamingLLM before the step", builder => builder.AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (Starts, Window, true))),
    ];

    private static Tensor Attended(Action<LanguageModelBuilder> add, long length, ScalarType dtype = ScalarType.Float64)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var builder = ToyModel.Builder(dtype: dtype);
        add(builder);
        using var attention = (Attention)ToyModel.Component(builder, layer => new Attention(new AttentionOptions { HeadCount = 2 }, layer));
        using var random = new Generator(8);
        foreach (var parameter in attention.parameters())
            parameter.copy_(randn(parameter.shape, ScalarType.Float64, generator: random).to(dtype) * 0.4);
        return attention.call(randn([1, length, ToyModel.ModelDim], ScalarType.Float64, generator: random).to(dtype)).MoveToOuterDisposeScope();
    }

    [Fact]
    public void Without_positions_all_policies_over_the_same_keys_are_one()
    {
        using var scope = NewDisposeScope();
        var expected = Attended(SameKeys[0].Add, 25);

        Assert.All(SameKeys[1..], policy => Close.Check(policy.Name, expected, Attended(policy.Add, 25), absolute: 1e-12));
    }

    [Fact]
    public void With_positions_they_differ_in_the_distances_of_starting_tokens()
    {
        using var scope = NewDisposeScope();
        var all = SameKeys.Select(policy => Attended(builder => { builder.AddRotary(); policy.Add(builder); }, 25)).ToArray();

        for (var one = 0; one < all.Length - 1; one++)
            Assert.True((all[one] - all[one + 1]).abs().max().item<double>() > 1e-4 || one == 2, $"{SameKeys[one].Name} and {SameKeys[one + 1].Name} gave the same.");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(6)]
    public void A_text_within_the_window_is_plain_causal_attention_to_the_last_bit(long length)
    {
        foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
        {
            using var scope = NewDisposeScope();
            var plain = Attended(builder => builder.AddRotary(), length, dtype);
            foreach (var (name, add) in SameKeys.Append(("ceiling", builder => builder.AddCeilingMask(mask => mask.DistanceCeiling = Window))))
                Close.Check($"{name}, {length}, {dtype}", plain, Attended(builder => { builder.AddRotary(); add(builder); }, length, dtype), absolute: 0);
        }
    }

    [Fact]
    public void Impossible_options_are_refused_by_name()
    {
        Refused("StartLength", () => new StreamingMask(new StreamingMaskOptions { StartLength = -1 }));
        Refused("RecentLength", () => new StreamingMask(new StreamingMaskOptions { RecentLength = 0 }));
        Refused("RecentLength", () => new StreamingMask(new StreamingMaskOptions { RecentLength = long.MaxValue }));
        Refused("DistanceCeiling", () => new CeilingMask(new CeilingMaskOptions { DistanceCeiling = -1 }));
        Refused("TriangleOffset", () => new CeilingMask(new CeilingMaskOptions { TriangleOffset = double.NaN }));
        Refused("TriangleOffset", () => new CeilingMask(new CeilingMaskOptions { TriangleOffset = -1 }));
        Refused("LocalLength", () => new CeilingMask(new CeilingMaskOptions { LocalLength = 0 }));
        Refused("GlobalLength", () => new CeilingMask(new CeilingMaskOptions { GlobalLength = -2 }));
        Refused("ShowsTrueDistances", () => new LambdaMask(new LambdaMaskOptions { DistanceCeiling = 5, ShowsTrueDistances = true }));
    }

    [Fact]
    public void Models_that_a_policy_cannot_carry_are_refused()
    {
        foreach (var add in new Action<LanguageModelBuilder>[] { builder => builder.AddStreamingMask(), builder => builder.AddCeilingMask() })
        {
            Refused("max_position_embeddings", () => Build(builder => { builder.AddLearnedPositions(32); add(builder); }));
            Refused("IsBidirectional", () => Build(builder => { builder.Options.IsBidirectional = true; add(builder); }));
        }
    }

    [Fact]
    public void A_model_folder_keeps_every_policy()
    {
        using var folder = new TemporaryFolder();
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 3 }
            .AddAttention(attention => attention.HeadCount = 2)
            .AddRotary()
            .AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (1, 7, true), layers: [0])
            .AddCeilingMask(mask => (mask.DistanceCeiling, mask.TriangleOffset, mask.LocalLength, mask.GlobalLength) = (5, 0.25, 4, 2), layers: [1])
            .AddLambdaMask(mask => (mask.LocalLength, mask.ShowsTrueDistances) = (9, true), layers: [2]);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = builder.Build();
        model.eval();
        model.Save(folder.Path);
        using var loaded = LanguageModel.Load(folder.Path, kinds => kinds.AddLongContext());
        loaded.eval();
        var ids = arange(30, dtype: ScalarType.Int64).remainder(11).unsqueeze(0);

        Close.Check("logits", model.call(ids, null), loaded.call(ids, null), absolute: 0);
        foreach (var said in new[] { "\"start_size\": 1", "\"recent_size\": 7", "\"evicts_before_step\": true", "\"triangle_offset\": 0.25", "\"true_distances\": true" })
            Assert.Contains(said, File.ReadAllText(Path.Combine(folder.Path, "config.json")), StringComparison.Ordinal);
    }

    private static void Build(Action<LanguageModelBuilder> add)
    {
        var builder = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 1 }.AddAttention(attention => attention.HeadCount = 2);
        add(builder);
        builder.Build().Dispose();
    }

    private static void Refused(string name, Action make)
    {
        var error = Assert.ThrowsAny<Exception>(make);
        Assert.True(error is ArgumentException or ConfigurationException, error.ToString());
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    private static void Refused(string name, Func<object> make) => Refused(name, () => { _ = make(); });
}
