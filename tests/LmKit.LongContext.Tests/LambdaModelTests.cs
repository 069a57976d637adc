using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class LambdaModelTests
{
    private const int Layers = 2;
    private const long Window = 5;
    private const long Starts = 2;

    [Fact]
    public void Tokens_beyond_the_reach_of_all_layers_do_not_matter_and_those_at_its_edge_do()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Build();
        const long row = 30;
        const long edge = row - Layers * (Window - 1);
        var tokens = arange(32, dtype: ScalarType.Int64).remainder(ToyModel.VocabSize).unsqueeze(0);
        var expected = model.call(tokens, null)[0][row];

        for (var j = Starts; j < edge; j++)
            Close.Check($"token {j}", expected, Changed(j));
        foreach (var j in new[] { 0, Starts - 1, edge, row })
            Assert.True((Changed(j) - expected).abs().max().ToDouble() > 1e-9, $"Token {j} should matter.");

        Tensor Changed(long j)
        {
            var other = tokens.clone();
            other[0][j] = (tokens[0][j] + 1).remainder(ToyModel.VocabSize);
            return model.call(other, null)[0][row];
        }
    }

    [Fact]
    public void Two_thousand_steps_keep_the_cache_bounded_and_leave_no_tensor()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Build();
        using var state = (ModelState)model.NewState(1);
        var token = zeros(1, 1, dtype: ScalarType.Int64);
        for (var step = 0; step < 100; step++)
            model.call(token, new SequenceContext(state)).Dispose();
        var caches = state.Layers.Cast<KeyValueCache>().ToList();
        LiveTensors.Unchanged("2,000 steps", () =>
        {
            for (var step = 0; step < 2000; step++)
            {
                model.call(token, new SequenceContext(state)).Dispose();
                foreach (var cache in caches)
                    Assert.InRange(cache.Count, Starts + Window - 1, Starts + Window - 1 + 32);
            }
        });
    }

    [Fact]
    public void A_configuration_says_everything_and_comes_back()
    {
        var json = Builder().AddLambdaMask(mask => mask.DistanceCeiling = 7, layers: [1]).Config.ToJson();

        Assert.Contains("\"kind\": \"lambda\"", json, StringComparison.Ordinal);
        Assert.Contains("\"local_branch\": 2048", json, StringComparison.Ordinal);
        Assert.Contains("\"global_branch\": 10", json, StringComparison.Ordinal);
        Assert.Contains("\"limit_distance\": 7", json, StringComparison.Ordinal);
        using var model = LanguageModel.Build(ModelConfig.FromJson(json), new ComponentRegistry().AddLongContext());
        // Built, it also writes out what the builder left to the defaults; what was said stays at the end.
        var said = ModelConfig.FromJson(json);
        Assert.Equal(said.ToJson(), (model.Config with { Components = model.Config.Components[^said.Components.Length..] }).ToJson());
    }

    [Theory]
    [InlineData("local_branch", 0, 1, null)]
    [InlineData("global_branch", 1, -1, null)]
    [InlineData("limit_distance", 1, 1, -1)]
    public void An_impossible_option_is_refused_with_its_path(string option, int window, int starts, int? ceiling)
    {
        var error = Assert.Throws<ConfigurationException>(() =>
            Builder().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength, mask.DistanceCeiling) = (window, starts, ceiling)));

        Assert.Equal($"$.components[2].options.{option}", error.Path);
    }

    [Fact]
    public void Learned_positions_are_refused()
    {
        var builder = ToyModel.Builder(Layers).AddAttention(attention => attention.HeadCount = 2).AddLambdaMask().AddLearnedPositions(64);

        Assert.Contains("max_position_embeddings", Assert.Throws<ConfigurationException>(builder.Build).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(9)]
    public void Angles_per_token_depend_on_more_than_distances_and_are_refused(int? ceiling)
    {
        using var scope = NewDisposeScope();
        var scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 8, IsPerToken = true };
        var error = Assert.Throws<ConfigurationException>(() => ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = scaling)
            .AddLambdaMask(lambda => lambda.DistanceCeiling = ceiling).Build());
        using var rotary = ToyModel.Builder().AddAttention().AddRotary().AddLambdaMask().Build();

        Assert.Contains("LambdaMask (LocalLength = ", error.Message, StringComparison.Ordinal);
        Assert.Contains("DynamicRotaryScaling.IsPerToken = true", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bidirectional_model_is_refused()
    {
        var builder = Builder().AddLambdaMask();
        builder.Options.IsBidirectional = true;

        Assert.Contains("is_bidirectional", Refusal(builder), StringComparison.Ordinal);
    }

    [Fact]
    public void Dropout_of_attention_weights_acts_in_training_only()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(3);
        var builder = ToyModel.Builder().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts));
        using var attention = new Attention(new AttentionOptions { HeadCount = 2, DropoutRate = 0.5 }, builder.CreateLayerContext(0, random));
        var x = Inputs.Random(1, 1, 20, ToyModel.ModelDim);
        var trained = attention.call(x);
        attention.eval();

        Assert.True((attention.call(x) - trained).abs().max().ToDouble() > 1e-3);
    }

    [Fact]
    public void Dropout_with_a_ceiling_of_its_own_is_refused_rather_than_wrong()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var builder = ToyModel.Builder().AddLambdaMask(mask => (mask.LocalLength, mask.DistanceCeiling) = (Window, Window + 1));

        var error = Assert.Throws<ArgumentException>(() => new Attention(new AttentionOptions { DropoutRate = 0.5 }, builder.CreateLayerContext(0, random)));
        Assert.StartsWith("AttentionOptions.DropoutRate = 0.5", error.Message, StringComparison.Ordinal);
        Assert.Contains("LambdaMask (LocalLength = 5, GlobalLength = 10, DistanceCeiling = 6)", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("rotary")]
    [InlineData("alibi")]
    public void A_capped_model_under_the_mask_is_the_dense_one_whole_and_over_a_cache(string positions)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, 1e-10), (ScalarType.Float32, 1e-4) })
        {
            using var own = Capped(positions, dtype, false);
            using var dense = Capped(positions, dtype, true);
            using var state = own.NewState(2);
            using var tokens = arange(60, dtype: ScalarType.Int64).view(2, 30).remainder(ToyModel.VocabSize);
            var expected = dense.call(tokens, null);

            Close.Check("whole", expected, own.call(tokens, null), absolute: tolerance, relativeToLargest: tolerance);
            var pieces = new List<Tensor> { own.call(tokens.narrow(1, 0, 12), new SequenceContext(state)) };
            for (var t = 12; t < 30; t++)
                pieces.Add(own.call(tokens.narrow(1, t, 1), new SequenceContext(state)));
            Close.Check("over a cache", expected, cat(pieces, 1), absolute: tolerance, relativeToLargest: tolerance);
        }
    }

    private static LanguageModel Capped(string positions, ScalarType dtype, bool isDense)
    {
        var builder = ToyModel.Builder(Layers, dtype).AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount, attention.SoftCap) = (4, 2, 0.3));
        builder = positions switch { "rotary" => builder.AddRotary(), "alibi" => builder.AddAlibi(), _ => builder.AddNoPositions() };
        return (isDense ? builder.Add(PredicateMask.Kind) : builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts))).Build();
    }

    // What the Lambda mask says of itself, without its own attention.
    private sealed class PredicateMask : IAttentionMask
    {
        internal static readonly Kind<IAttentionMask> Kind = Slots.Mask.Define("lambda_predicate", _ => new PredicateMask());

        private readonly LambdaMask mask = new(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts });

        public bool IsCausal => true;

        public bool Forgets => true;

        public long? DistanceCeiling => mask.DistanceCeiling;

        public Tensor? Visible(Tensor queries, Tensor keys) => mask.Visible(queries, keys);
    }

    private static LanguageModelBuilder Builder() =>
        ToyModel.Builder(Layers).AddAttention(attention => attention.HeadCount = 2).AddRotary();

    private static LanguageModel Build() =>
        Builder().AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (Window, Starts)).Build();

    private static string Refusal(LanguageModelBuilder builder)
    {
        using var random = new Generator(1);
        return Assert.Throws<ConfigurationException>(builder.CreateLayerContext(0, random).Mask).Message;
    }
}
