using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests.Mixing;

/// <summary>Attention with a learned score per head in each softmax.</summary>
public class AttentionSinkTests : CausalMixerConformance
{
    protected override long ModelDim => ToyModel.ModelDim;

    protected override StateGrowth Growth => StateGrowth.Linear;

    protected override IMixer Create(ScalarType dtype) => Make(dtype);

    private static Attention Make(ScalarType dtype, AttentionOptions? options = null)
    {
        options ??= new AttentionOptions { HeadCount = 2, KeyValueHeadCount = 1 };
        options.HasSinks = true;
        var attention = (Attention)ToyModel.Component(ToyModel.Builder(dtype: dtype).AddRotary(), layer => new Attention(options, layer));
        using var frozen = no_grad();
        attention.get_parameter("sinks")!.copy_(tensor(new[] { 0.7, -0.4 }).to(dtype));
        return attention;
    }

    [Fact]
    public void A_sink_is_one_more_key_whose_value_is_zero()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var (q, k, v) = (Draw(4), Draw(2), Draw(2));
        var sinks = randn([4], ScalarType.Float64, generator: random);
        var positions = arange(6, dtype: ScalarType.Int64).unsqueeze(0).expand(2, 6);
        var input = new AttentionInput(q, k, v, positions, positions, null, null, null) { Sinks = sinks };
        var shared = k.repeat_interleave(2, 1);
        var scores = q.matmul(shared.transpose(2, 3)) / Math.Sqrt(8);
        scores = scores.masked_fill(ones(6, 6, dtype: ScalarType.Bool).triu(1), double.NegativeInfinity);
        var weights = cat([scores, sinks.view(1, 4, 1, 1).expand(2, -1, 6, 1)], -1).softmax(-1);
        var expected = weights.matmul(cat([v.repeat_interleave(2, 1), zeros(2, 4, 1, 8, dtype: ScalarType.Float64)], 2));

        Close.Check("dense", expected, DenseAttention.Attend(input, new CausalMask()), absolute: 1e-14);
        Close.Check("without", scores.softmax(-1).matmul(v.repeat_interleave(2, 1)), DenseAttention.Attend(input with { Sinks = null }, new CausalMask()), absolute: 1e-14);

        Tensor Draw(long heads) => randn([2, heads, 6, 8], ScalarType.Float64, generator: random);
    }

    [Fact]
    public void Sinks_start_at_zero_and_are_saved_under_their_name()
    {
        using var scope = NewDisposeScope();
        using var attention = (Attention)ToyModel.Component(ToyModel.Builder(), layer => new Attention(new AttentionOptions { HeadCount = 2, HasSinks = true }, layer));
        using var plain = (Attention)ToyModel.Component(ToyModel.Builder(), layer => new Attention(new AttentionOptions { HeadCount = 2 }, layer));

        Assert.Equal([0.0, 0], attention.get_parameter("sinks")!.to(ScalarType.Float64).data<double>().ToArray());
        Assert.Equal(plain.named_parameters().Select(pair => pair.name).Append("sinks").Order(), attention.named_parameters().Select(pair => pair.name).Order());
    }

    [Fact]
    public void Gradients_reach_the_sinks()
    {
        using var scope = NewDisposeScope();
        using var attention = Make(ScalarType.Float64, new AttentionOptions { HeadCount = 2, SoftCap = 0.9 });
        using var random = new Generator(9);
        var x = randn([2, 5, ToyModel.ModelDim], ScalarType.Float64, generator: random).requires_grad_();

        GradientCheck.Check(() => attention.call(x), [("x", x), ("sinks", attention.get_parameter("sinks")!)]);
    }

    [Fact]
    public void A_token_over_a_cache_sees_the_sinks_too()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var attention = Make(ScalarType.Float32);
        using var random = new Generator(2);
        var x = randn([1, 9, ToyModel.ModelDim], generator: random);
        var whole = attention.call(x);
        using var state = attention.NewState(1);
        var stepped = cat([.. x.split(1, 1).Select(token => attention.call(token, new SequenceContext(state)))], 1);
        attention.get_parameter("sinks")!.fill_(-1e9);
        using var other = attention.NewState(1);
        var without = cat([.. x.split(1, 1).Select(token => attention.call(token, new SequenceContext(other)))], 1);

        Close.Check("stepped", whole, stepped, absolute: 1e-5);
        Assert.True((without - whole).abs().max().item<float>() > 1e-2);
    }
}
