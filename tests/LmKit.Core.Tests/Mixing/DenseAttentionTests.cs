using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public class DenseAttentionTests
{
    private const double Tolerance = 1e-12;
    private const long HeadCount = 2;
    private const long Length = 9;
    private const long HeadDim = 4;

    [Theory]
    [InlineData("none")]
    [InlineData("rotary")]
    [InlineData("alibi")]
    public void It_is_the_softmax_of_the_scores_pair_by_pair(string positions)
    {
        using var scope = NewDisposeScope();
        var input = Input(Encoding(positions));
        var mask = new WindowMask(5, 1);

        Close.Check("attended", PairByPair(input, mask, null), DenseAttention.Attend(input, mask), absolute: Tolerance);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("rotary")]
    [InlineData("alibi")]
    public void A_distance_ceiling_shows_far_keys_at_that_distance(string positions)
    {
        using var scope = NewDisposeScope();
        var input = Input(Encoding(positions));
        var mask = new CeilingMask(3);

        Close.Check("attended", PairByPair(input, mask, 3), DenseAttention.Attend(input, mask), absolute: Tolerance);
    }

    [Fact]
    public void Scores_depend_on_positions_only_through_their_difference()
    {
        using var scope = NewDisposeScope();
        foreach (var positions in new[] { "rotary", "alibi" })
        {
            var input = Input(Encoding(positions));
            var moved = input with { QueryPositions = input.QueryPositions + 1_000, KeyPositions = input.KeyPositions + 1_000 };
            Close.Check($"{positions} moved", DenseAttention.Attend(input, new CausalMask()), DenseAttention.Attend(moved, new CausalMask()), absolute: 1e-10);
        }
    }

    [Fact]
    public void A_query_that_sees_no_key_gives_zero_and_finite_gradients()
    {
        using var scope = NewDisposeScope();
        var segments = tensor(new long[] { 0, 0, -1, -1, 0, 0, 0, 0, -1 }, [1, Length]);
        foreach (var positions in new[] { "none", "alibi" })
        {
            var plain = Input(Encoding(positions), batch: 1);
            var queries = plain.Queries.detach().requires_grad_(true);
            var input = plain with { Queries = queries, QuerySegments = segments, KeySegments = segments };
            var attended = DenseAttention.Attend(input, new CausalMask());
            var blind = attended.index_select(2, tensor(new long[] { 2, 3, 8 }));

            Assert.Equal(0, blind.abs().sum().item<double>());
            Assert.True(autograd.grad([attended.square().sum()], [queries])[0].isfinite().all().item<bool>());
        }
    }

    [Fact]
    public void Query_heads_share_key_heads_in_groups()
    {
        using var scope = NewDisposeScope();
        var input = Input(null);
        using var random = new Generator(8);
        var queries = randn([2, 4, Length, HeadDim], ScalarType.Float64, generator: random);
        var shared = DenseAttention.Attend(input with { Queries = queries }, new CausalMask());
        var index = tensor(new long[] { 0, 0, 1, 1 });
        var repeated = input with { Queries = queries, Keys = input.Keys.index_select(1, index), Values = input.Values.index_select(1, index) };

        Close.Check("grouped", DenseAttention.Attend(repeated, new CausalMask()), shared, absolute: Tolerance);
    }

    private static Tensor PairByPair(AttentionInput input, IAttentionMask mask, long? ceiling)
    {
        var attended = zeros_like(input.Queries);
        var visible = mask.Visible(input.QueryPositions, input.KeyPositions)!;
        for (var i = 0L; i < Length; i++)
        {
            var scores = new List<Tensor>();
            var seen = new List<long>();
            for (var j = 0L; j < Length; j++)
            {
                if (!visible[0, i, j].item<bool>())
                    continue;
                var distance = full([2, 1], Math.Min(i - j, ceiling ?? long.MaxValue), ScalarType.Int64);
                var q = input.Queries.narrow(2, i, 1);
                var k = input.Keys.narrow(2, j, 1);
                q = input.Encoding?.EncodeQueries(q, distance) ?? q;
                k = input.Encoding?.EncodeKeys(k, zeros_like(distance)) ?? k;
                var score = (q * k).sum(-1) / Math.Sqrt(HeadDim); // (B, H, 1)
                if (input.Encoding?.Bias(distance.unsqueeze(-1), ScalarType.Float64) is { } bias)
                    score = score + bias.squeeze(-1);
                scores.Add(score);
                seen.Add(j);
            }
            var weights = cat(scores, -1).softmax(-1); // (B, H, seen)
            var values = input.Values.index_select(2, tensor(seen.ToArray()));
            attended.narrow(2, i, 1).copy_((weights.unsqueeze(-1) * values).sum(2).unsqueeze(2));
        }
        return attended;
    }

    private static PositionEncoding? Encoding(string positions) => positions switch
    {
        "rotary" => new RotaryEmbedding(HeadDim),
        "alibi" => new AlibiEncoding((int)HeadCount),
        _ => null,
    };

    private static AttentionInput Input(PositionEncoding? encoding, long batch = 2)
    {
        using var random = new Generator(7);
        Tensor Draw() => randn([batch, HeadCount, Length, HeadDim], ScalarType.Float64, generator: random);
        var positions = arange(Length, dtype: ScalarType.Int64).unsqueeze(0).expand(batch, -1);
        return new AttentionInput(Draw(), Draw(), Draw(), positions, positions, null, null, encoding);
    }

    private sealed class CeilingMask(long ceiling) : IAttentionMask
    {
        private readonly CausalMask causal = new();

        public bool IsCausal => true;

        public bool Forgets => false;

        public long? DistanceCeiling => ceiling;

        public Tensor? Visible(Tensor queries, Tensor keys) => causal.Visible(queries, keys);
    }
}
