using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Models with the policies: what they refuse, what they keep, and how they are saved.</summary>
[NoTensorLeak]
public sealed class PolicyModelTests
{
    public static TheoryData<int> Policies => PolicyFormTests.Policies;

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_saved_model_comes_back_with_its_mask(int policy)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = Build(Policy.All[policy]);
        using var folder = new TemporaryFolder();
        var tokens = arange(30, dtype: ScalarType.Int64).remainder(ToyModel.VocabSize).unsqueeze(0);
        var saved = Path.Combine(folder.Path, "model");
        model.Save(saved);
        using var loaded = LanguageModel.Load(saved, kinds => kinds.AddLongContext(), dtype: ScalarType.Float64);

        Close.Check("logits", model.call(tokens, null), loaded.call(tokens, null), absolute: 0);
        Assert.Equal(model.Config.ToJson(), loaded.Config.ToJson());
    }

    [Theory]
    [InlineData("start_size", "StreamingMaskOptions.StartLength = -1")]
    [InlineData("recent_size", "StreamingMaskOptions.RecentLength = 0")]
    [InlineData("limit_distance", "CeilingMaskOptions.DistanceCeiling = -1")]
    [InlineData("triangle_offset", "CeilingMaskOptions.TriangleOffset = -0.5")]
    [InlineData("triangle_offset", "CeilingMaskOptions.TriangleOffset = NaN")]
    [InlineData("local_branch", "CeilingMaskOptions.LocalLength = 0")]
    [InlineData("global_branch", "CeilingMaskOptions.GlobalLength = -1")]
    [InlineData("window_size", "SelfExtendMaskOptions.NeighborLength = 0")]
    [InlineData("group_size", "SelfExtendMaskOptions.GroupSize = 0")]
    [InlineData("chunk_size", "DualChunkMaskOptions.ChunkLength = 0")]
    [InlineData("local_window", "DualChunkMaskOptions.LocalLength = 0")]
    public void An_impossible_option_is_refused_with_its_path_and_by_name(string option, string said)
    {
        var error = Assert.Throws<ConfigurationException>(() => Impossible(said));
        var direct = Assert.Throws<ArgumentException>(() => Direct(said));

        Assert.Equal($"$.components[2].options.{option}", error.Path);
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains(said, direct.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_local_window_of_more_than_a_chunk_is_refused_by_both_names()
    {
        var error = Assert.Throws<ArgumentException>(() => new DualChunkMask(new DualChunkMaskOptions { ChunkLength = 5, LocalLength = 6 }));

        Assert.Contains("DualChunkMaskOptions.LocalLength = 6", error.Message, StringComparison.Ordinal);
        Assert.Contains("ChunkLength = 5", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Learned_positions_and_bidirectional_models_are_refused(int policy)
    {
        var learned = ToyModel.Builder().AddAttention().AddLearnedPositions(64);
        Policy.All[policy].Add(learned);
        var both = ToyModel.Builder().AddAttention();
        both.Options.IsBidirectional = true;
        Policy.All[policy].Add(both);

        Assert.Contains("max_position_embeddings", Assert.Throws<ConfigurationException>(learned.Build).Message, StringComparison.Ordinal);
        Assert.Contains("is_bidirectional", Assert.Throws<ConfigurationException>(both.Build).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Angles_that_depend_on_more_than_distances_are_refused_where_distances_are_not_true(int policy)
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 8, IsPerToken = true });
        Policy.All[policy].Add(builder);
        var mask = Policy.All[policy].Mask();
        if (mask is IMaskedAttention { HasDenseForm: true } && mask.DistanceCeiling is null)
        {
            builder.Build().Dispose();
            return;
        }
        Assert.Contains("DynamicRotaryScaling.IsPerToken = true", Assert.Throws<ConfigurationException>(builder.Build).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Dropout_of_weights_is_refused_where_a_mask_has_no_dense_form(int policy)
    {
        using var scope = NewDisposeScope();
        var builder = ToyModel.Builder().AddAttention(attention => attention.DropoutRate = 0.5).AddRotary();
        Policy.All[policy].Add(builder);
        var mask = (IMaskedAttention)Policy.All[policy].Mask();
        if (mask.HasDenseForm)
        {
            builder.Build().Dispose();
            return;
        }
        var message = Assert.Throws<ConfigurationException>(builder.Build).Message;

        Assert.Contains("AttentionOptions.DropoutRate = 0.5", message, StringComparison.Ordinal);
        Assert.Contains(mask.ToString()!, message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Tokens_beyond_the_reach_of_all_layers_of_a_streaming_model_do_not_matter(bool evictsBefore)
    {
        const int Layers = 2;
        const long Starts = 2;
        const long Recent = 5;
        const long Row = 40;
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(Layers).AddAttention(attention => attention.HeadCount = 2).AddRotary()
            .AddStreamingMask(mask => (mask.StartLength, mask.RecentLength, mask.EvictsBeforeStep) = (Starts, Recent, evictsBefore)).Build();
        var window = evictsBefore ? Recent : Recent + 1;
        var edge = Row - (Layers * (window - 1));
        var tokens = arange(42, dtype: ScalarType.Int64).remainder(ToyModel.VocabSize).unsqueeze(0);
        var expected = model.call(tokens, null)[0][Row];

        for (var j = Starts; j < edge; j++)
            Close.Check($"token {j}", expected, Changed(j));
        foreach (var j in new[] { 0, Starts - 1, edge, Row })
            Assert.True((Changed(j) - expected).abs().max().ToDouble() > 1e-9, $"Token {j} should matter.");

        Tensor Changed(long j)
        {
            var other = tokens.clone();
            other[0][j] = (tokens[0][j] + 1).remainder(ToyModel.VocabSize);
            return model.call(other, null)[0][Row];
        }
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(1)]
    public void A_streaming_cache_stays_at_starts_and_window(int piece)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = ToyModel.Builder(1).AddAttention().AddRotary().AddStreamingMask(mask => (mask.StartLength, mask.RecentLength) = (4, 12)).Build();
        using var state = (ModelState)model.NewState(1);
        for (var read = 0; read < 1000; read += piece)
            model.call(zeros(1, piece, dtype: ScalarType.Int64), new SequenceContext(state)).Dispose();

        Assert.InRange(((KeyValueCache)state.Layers[0]).Count, 16, 16 + 32);
    }

    private static LanguageModel Build(Policy policy)
    {
        var builder = ToyModel.Builder().AddAttention(attention => attention.HeadCount = 2).AddRotary();
        policy.Add(builder);
        return builder.Build();
    }

    private static LanguageModelBuilder Impossible(string said)
    {
        var builder = ToyModel.Builder().AddAttention().AddRotary();
        return said switch
        {
            "StreamingMaskOptions.StartLength = -1" => builder.AddStreamingMask(mask => mask.StartLength = -1),
            "StreamingMaskOptions.RecentLength = 0" => builder.AddStreamingMask(mask => mask.RecentLength = 0),
            "CeilingMaskOptions.DistanceCeiling = -1" => builder.AddCeilingMask(mask => mask.DistanceCeiling = -1),
            "CeilingMaskOptions.TriangleOffset = -0.5" => builder.AddCeilingMask(mask => mask.TriangleOffset = -0.5),
            "CeilingMaskOptions.TriangleOffset = NaN" => builder.AddCeilingMask(mask => mask.TriangleOffset = double.NaN),
            "CeilingMaskOptions.LocalLength = 0" => builder.AddCeilingMask(mask => mask.LocalLength = 0),
            "CeilingMaskOptions.GlobalLength = -1" => builder.AddCeilingMask(mask => mask.GlobalLength = -1),
            "SelfExtendMaskOptions.NeighborLength = 0" => builder.AddSelfExtendMask(mask => mask.NeighborLength = 0),
            "SelfExtendMaskOptions.GroupSize = 0" => builder.AddSelfExtendMask(mask => mask.GroupSize = 0),
            "DualChunkMaskOptions.ChunkLength = 0" => builder.AddDualChunkMask(mask => mask.ChunkLength = 0),
            _ => builder.AddDualChunkMask(mask => mask.LocalLength = 0),
        };
    }

    private static IAttentionMask Direct(string said) => said switch
    {
        "StreamingMaskOptions.StartLength = -1" => new StreamingMask(new() { StartLength = -1 }),
        "StreamingMaskOptions.RecentLength = 0" => new StreamingMask(new() { RecentLength = 0 }),
        "CeilingMaskOptions.DistanceCeiling = -1" => new CeilingMask(new() { DistanceCeiling = -1 }),
        "CeilingMaskOptions.TriangleOffset = -0.5" => new CeilingMask(new() { TriangleOffset = -0.5 }),
        "CeilingMaskOptions.TriangleOffset = NaN" => new CeilingMask(new() { TriangleOffset = double.NaN }),
        "CeilingMaskOptions.LocalLength = 0" => new CeilingMask(new() { LocalLength = 0 }),
        "CeilingMaskOptions.GlobalLength = -1" => new CeilingMask(new() { GlobalLength = -1 }),
        "SelfExtendMaskOptions.NeighborLength = 0" => new SelfExtendMask(new() { NeighborLength = 0 }),
        "SelfExtendMaskOptions.GroupSize = 0" => new SelfExtendMask(new() { GroupSize = 0 }),
        "DualChunkMaskOptions.ChunkLength = 0" => new DualChunkMask(new() { ChunkLength = 0 }),
        _ => new DualChunkMask(new() { LocalLength = 0 }),
    };
}
