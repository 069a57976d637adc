using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Attention to the middle as a mixer: cuts, packing, padding, state.</summary>
public abstract class RetrievalAttentionTests : PolicyAttentionTests
{
    protected override StateGrowth Growth => StateGrowth.Linear;

    protected static void Add(LanguageModelBuilder builder, long window, long starts, int k, long? distance = null) => builder.AddLambdaMask(mask =>
    {
        (mask.LocalLength, mask.GlobalLength) = (window, starts);
        mask.Middle = new TopKMiddleOptions { TopK = k, FromLayer = 0, InsertDistance = distance, Rows = MiddleRows.All };
    });
}

public class RetrievalWithRotaryTests : RetrievalAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => Add(builder.AddRotary(), 5, 2, 3);
}

public class RetrievalWithAlibiTests : RetrievalAttentionTests
{
    protected override AttentionOptions Options => new() { HeadCount = 2, SoftCap = 0.9, HasSinks = true };

    protected override void Add(LanguageModelBuilder builder) => Add(builder.AddAlibi(), 4, 1, 2, 9);
}

public class RetrievalWithoutPositionsTests : RetrievalAttentionTests
{
    protected override void Add(LanguageModelBuilder builder) => Add(builder, 3, 0, 1);
}

/// <summary>What attention to the middle means, layer by layer, and what it refuses.</summary>
[NoTensorLeak]
public class RetrievalTests
{
    private const long Window = 5;
    private const long Starts = 2;
    private const long Insert = 3;

    private static (Tensor Q, Tensor K, Tensor V) Draw(long length)
    {
        using var random = new Generator(6);
        Tensor One(long heads) => randn([1, heads, length, 8], ScalarType.Float64, generator: random);
        return (One(4), One(2), One(2));
    }

    private static RetrievingMask Mask(int k, MiddleRows rows = MiddleRows.All) => new(
        new LambdaMask(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts }),
        new TopKMiddleOptions { TopK = k, InsertDistance = Insert, Rows = rows });

    // Query by query and head by head, from the definition.
    private static Tensor Defined(Tensor q, Tensor k, Tensor v, int count)
    {
        var (length, heads) = (q.size(2), q.size(1));
        var rotary = new RotaryEmbedding(8);
        var y = zeros_like(q);
        for (var i = 0L; i < length; i++)
        {
            for (var head = 0L; head < heads; head++)
            {
                double Score(long j, long distance)
                {
                    var query = rotary.EncodeQueries(q.narrow(1, head, 1).narrow(2, i, 1), tensor(new[] { distance }, [1, 1]));
                    return (query * k.narrow(1, head / 2, 1).narrow(2, j, 1)).sum().item<double>() / Math.Sqrt(8);
                }

                var near = Enumerable.Range(0, (int)i + 1).Where(j => i - j < Window || j < Starts).Select(j => (Key: (long)j, Score: Score(j, i - j < Window ? i - j : Window)));
                var middle = Enumerable.Range((int)Starts, (int)Math.Max(0, i - Window - Starts + 1)).Select(j => (Key: (long)j, Score: Score(j, Insert))).ToArray();
                var seen = near.Concat(middle.Length < count ? [] : middle.OrderByDescending(pair => pair.Score).Take(count)).ToArray();
                var weights = tensor(seen.Select(pair => pair.Score).ToArray()).softmax(0);
                var values = v[0, head / 2].index_select(0, tensor(seen.Select(pair => pair.Key).ToArray()));
                y[0, head, i] = weights.unsqueeze(0).matmul(values).squeeze(0);
            }
        }
        return y;
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(100)]
    public void Every_query_takes_the_best_of_its_middle_where_there_are_enough(int count)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (q, k, v) = Draw(21);

        Close.Check("attended", Defined(q, k, v, count), Mask(count).Attend(Inputs.Uniform(q, k, v, new RotaryEmbedding(8)))!, absolute: 1e-12);
    }

    [Fact]
    public void Of_equal_scores_the_earlier_keys_are_taken()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (q, k, v) = Draw(21);
        k = zeros_like(k); // scores of exactly zero
        var attended = Mask(2).Attend(Inputs.Uniform(q, k, v, null))!;
        // All scores are equal, so the last query weighs its starting tokens, the first two of the middle and its window alike.
        var expected = v.index_select(2, tensor(new long[] { 0, 1, 2, 3, 16, 17, 18, 19, 20 })).mean([2L]).repeat_interleave(2, 1);

        Close.Check("last query", expected, attended.select(2, 20), absolute: 1e-12);
    }

    [Fact]
    public void Only_the_last_query_of_a_call_attends_to_the_middle_unless_all_do()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (q, k, v) = Draw(21);
        var input = Inputs.Uniform(q, k, v, new RotaryEmbedding(8));
        var (last, all, none) = (Mask(3, MiddleRows.Last).Attend(input)!, Mask(3).Attend(input)!, new LambdaMask(new LambdaMaskOptions { LocalLength = Window, GlobalLength = Starts }).Attend(input)!);

        Close.Check("before", none.narrow(2, 0, 20), last.narrow(2, 0, 20), absolute: 1e-13);
        Close.Check("last", all.narrow(2, 20, 1), last.narrow(2, 20, 1), absolute: 1e-13);
        Assert.True((all - none).abs().max().item<double>() > 1e-3);
    }

    [Fact]
    public void Layers_outside_the_range_do_not_look()
    {
        using var scope = NewDisposeScope();
        Assert.IsType<LambdaMask>(At(0));
        Assert.IsType<RetrievingMask>(At(1));
        Assert.IsType<LambdaMask>(At(2));

        static IAttentionMask At(int layer)
        {
            var builder = new LanguageModelBuilder { VocabSize = 4, ModelDim = 8, LayerCount = 3 };
            return RetrievingMask.Of(new LambdaMaskOptions { Middle = new TopKMiddleOptions { FromLayer = 1, ToLayer = 2 } }, builder.CreateLayerContext(layer, new Generator(1)));
        }
    }

    [Fact]
    public void Impossible_options_are_refused_by_name()
    {
        foreach (var (name, options) in new (string, TopKMiddleOptions)[]
        {
            ("TopK", new() { TopK = 0 }),
            ("InsertDistance", new() { InsertDistance = -1 }),
            ("FromLayer", new() { FromLayer = -1 }),
            ("FromLayer", new() { FromLayer = 5, ToLayer = 4 }),
            ("Rows", new() { Rows = (MiddleRows)7 }),
        })
        {
            var builder = new LanguageModelBuilder { VocabSize = 4, ModelDim = 8, LayerCount = 1 };
            var layer = builder.CreateLayerContext(0, new Generator(1));
            var error = Assert.ThrowsAny<ArgumentException>(() => RetrievingMask.Of(new LambdaMaskOptions { Middle = options }, layer));
            Assert.Contains(name, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_model_folder_keeps_the_middle()
    {
        using var folder = new TemporaryFolder();
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var model = new LanguageModelBuilder { VocabSize = 11, ModelDim = 8, LayerCount = 2 }
            .AddAttention(attention => attention.HeadCount = 2)
            .AddRotary()
            .AddLambdaMask(mask =>
            {
                (mask.LocalLength, mask.GlobalLength) = (4, 1);
                mask.Middle = new TopKMiddleOptions { TopK = 2, FromLayer = 1, Rows = MiddleRows.All };
            })
            .Build();
        model.eval();
        model.Save(folder.Path);
        using var loaded = LanguageModel.Load(folder.Path, kinds => kinds.AddLongContext());
        loaded.eval();
        var ids = arange(30, dtype: ScalarType.Int64).remainder(11).unsqueeze(0);

        Close.Check("logits", model.call(ids, null), loaded.call(ids, null), absolute: 0);
        Assert.Contains("\"top_k\": 2", File.ReadAllText(folder["config.json"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Gradients_agree_with_central_differences()
    {
        using var scope = NewDisposeScope();
        var (q, k, v) = Draw(14);
        (q, k, v) = (q.requires_grad_(), k.requires_grad_(), v.requires_grad_());

        GradientCheck.Check(() => Mask(2).Attend(Inputs.Uniform(q, k, v, new RotaryEmbedding(8)))!, [("q", q), ("k", k), ("v", v)]);
    }
}
