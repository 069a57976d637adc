using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class LambdaMaskTests
{
    private const double Tolerance = 1e-12;

    public static TheoryData<long, long, long?, int, int> Shapes => new()
    {
        { 8, 3, null, 1, 41 },
        { 8, 3, 16, 2, 41 },
        { 8, 3, 4, 1, 41 },
        { 50, 5, null, 2, 300 },
        { 50, 0, null, 1, 300 },
        { 50, 5, 20, 1, 300 },
        { 4, 10, null, 1, 30 },
        { 1, 4, null, 2, 10 },
        { 130, 140, 7, 2, 300 },
        { 8, 3, 0, 1, 41 },
    };

    // Queries with a gap, keys out of order, the same position twice, queries before keys, and one query that is not the last key.
    public static TheoryData<long[], long[]> Gaps => new()
    {
        { [7, 9, 10], [0, 1, 2, 5, 6, 7, 9, 10] },
        { [10], [0, 1, 2, 5, 10, 7, 9] },
        { [6, 7], [0, 3, 5, 5, 6, 7] },
        { [3, 2], [0, 1, 2, 3] },
        { [5], [0, 1, 2, 3, 4, 5, 6, 7] },
        { [8], [0, 1, 2, 3, 5, 6, 7] },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_form_equals_the_definition(long window, long starts, long? ceiling, int sharing, int length)
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var mask = Make(window, starts, ceiling);
            var input = Input(2, 4, 4 / sharing, length, encoding) with { SoftCap = cap };
            var expected = Definition(input, window, starts, ceiling ?? window);

            Close.Check($"{encoding?.GetType().Name} tiles", expected, mask.Attend(input)!, absolute: Tolerance);
            Close.Check($"{encoding?.GetType().Name} dense", expected, mask.Attend(input.WithSegments())!, absolute: Tolerance);
            for (var t = 0; t < length; t += 7)
                Close.Check($"{encoding?.GetType().Name} step {t}", expected.narrow(2, t, 1), mask.Attend(After(input, t, 1))!, absolute: Tolerance);
            Close.Check($"{encoding?.GetType().Name} chunk", expected.narrow(2, 5, length - 5), mask.Attend(After(input, 5, length - 5))!, absolute: Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Keys_that_no_query_sees_can_be_dropped(long window, long starts, long? ceiling, int sharing, int length)
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var mask = Make(window, starts, ceiling);
            var input = Input(2, 4, 4 / sharing, length, encoding) with { SoftCap = cap };
            foreach (var count in new[] { 1, 3 })
            {
                var late = After(input, length - count, count);
                var kept = mask.Visible(late.QueryPositions[0], late.KeyPositions[0])!.any(0).nonzero().squeeze(-1);
                var trimmed = late with
                {
                    Keys = late.Keys.index_select(2, kept),
                    Values = late.Values.index_select(2, kept),
                    KeyPositions = late.KeyPositions.index_select(1, kept),
                };

                Close.Check($"{encoding?.GetType().Name}, {count} queries", mask.Attend(late)!, mask.Attend(trimmed)!, absolute: Tolerance);
            }
        }
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(3, 2L)]
    [InlineData(40, 100L)]
    public void Within_the_window_it_is_plain_causal_attention(long starts, long? ceiling)
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var input = Input(2, 4, 2, 30, encoding) with { SoftCap = cap };
            var mask = Make(30, starts, ceiling);
            var expected = DenseAttention.Attend(input, new CausalMask());

            Close.Check("whole", expected, mask.Attend(input)!, absolute: Tolerance);
            Close.Check("chunk", expected.narrow(2, 11, 19), mask.Attend(After(input, 11, 19))!, absolute: Tolerance);
            Close.Check("step", expected.narrow(2, 29, 1), mask.Attend(After(input, 29, 1))!, absolute: Tolerance);
        }
    }

    [Fact]
    public void With_the_ceiling_at_the_window_the_members_of_the_contract_say_it_all()
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var mask = Make(8, 3);
            var input = Input(2, 4, 2, 41, encoding) with { SoftCap = cap };

            Assert.Equal(8, mask.DistanceCeiling);
            Close.Check("dense attention", DenseAttention.Attend(input, mask), mask.Attend(input)!, absolute: Tolerance);
        }
    }

    [Fact]
    public void Any_other_ceiling_is_told_by_the_masks_own_attention_only()
    {
        using var scope = NewDisposeScope();
        var error = Assert.Throws<NotSupportedException>(() => DenseAttention.Attend(Input(1, 2, 2, 5, null), Make(8, 3, 16)));

        Assert.True(Make(8, 3, 8).HasDenseForm);
        Assert.False(Make(8, 3, 16).HasDenseForm);
        Assert.Null(Make(8, 3, 16).DistanceCeiling);
        Assert.Contains("LambdaMask (LocalLength = 8, GlobalLength = 3, DistanceCeiling = 16)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_positions_the_ceiling_does_not_matter()
    {
        using var scope = NewDisposeScope();
        var input = Input(2, 4, 4, 41, null);

        Close.Check("ceilings", Make(8, 3, 2).Attend(input)!, Make(8, 3, 1000).Attend(input)!, absolute: Tolerance);
    }

    [Theory]
    [InlineData(ScalarType.Float64, 1e-7)]
    [InlineData(ScalarType.Float32, 2e-5)]
    public void Moving_all_but_the_starting_tokens_far_away_changes_nothing(ScalarType dtype, double tolerance)
    {
        using var scope = NewDisposeScope();
        var mask = Make(8, 3);
        var input = Input(2, 4, 2, 41, new RotaryEmbedding(8));
        input = input with { Queries = input.Queries.to(dtype), Keys = input.Keys.to(dtype), Values = input.Values.to(dtype) };
        foreach (var count in new[] { 1L, 20 }) // from position 21 on, the window has left the starting tokens
        {
            var late = After(input, 41 - count, count);
            var moved = late with
            {
                QueryPositions = late.QueryPositions + (1L << 27),
                KeyPositions = late.KeyPositions + late.KeyPositions.ge(3).to(ScalarType.Int64) * (1L << 27),
            };

            Close.Check($"{count} queries", mask.Attend(late)!, mask.Attend(moved)!, absolute: tolerance);
        }
    }

    [Theory]
    [InlineData(null)]
    [InlineData(3L)]
    public void Gradients_agree_with_central_differences_across_tiles(long? ceiling)
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var mask = Make(50, 2, ceiling);
            var input = Input(1, 2, 1, 155, encoding) with { SoftCap = cap };
            foreach (var tensor in new[] { input.Queries, input.Keys, input.Values })
                _ = tensor.requires_grad_();

            GradientCheck.Check(() => mask.Attend(input)!, [("q", input.Queries), ("k", input.Keys), ("v", input.Values)]);
        }
    }

    [Fact]
    public void Impossible_lengths_are_refused_by_name()
    {
        Assert.Contains("LambdaMaskOptions.LocalLength = 0", Assert.Throws<ArgumentException>(() => Make(0, 3)).Message, StringComparison.Ordinal);
        Assert.Contains("LambdaMaskOptions.GlobalLength = -1", Assert.Throws<ArgumentException>(() => Make(8, -1)).Message, StringComparison.Ordinal);
        Assert.Contains("LambdaMaskOptions.DistanceCeiling = -1", Assert.Throws<ArgumentException>(() => Make(8, 3, -1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_call_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        foreach (var (encoding, cap) in CappedEncodings())
        {
            var mask = Make(50, 5);
            var input = Input(2, 4, 2, 200, encoding) with { SoftCap = cap };
            foreach (var form in new[] { input, input.WithSegments(), After(input, 199, 1) })
                LiveTensors.Unchanged("Attend", () => mask.Attend(form)!.Dispose());
        }
    }

    [Theory]
    [MemberData(nameof(Gaps))]
    public void Positions_that_do_not_count_up_by_one_are_what_the_definition_says(long[] queries, long[] keys)
    {
        foreach (var (encoding, cap) in CappedEncodings())
        {
            using var scope = NewDisposeScope();
            var mask = Make(4, 2, 3);
            var input = Inputs.Uniform(Inputs.Random(1, 2, 4, queries.Length, 8), Inputs.Random(2, 2, 2, keys.Length, 8), Inputs.Random(3, 2, 2, keys.Length, 8), encoding) with
            {
                QueryPositions = tensor(queries).expand(2, -1),
                KeyPositions = tensor(keys).expand(2, -1),
                SoftCap = cap,
            };
            var kept = (from i in queries select (from j in keys select i >= j && (i - j < 4 || j < 2)).ToArray()).ToArray();

            Close.Check($"{encoding?.GetType().Name}", PlainPositions.Attended(input, kept, 4, 3), mask.Attend(input)!, absolute: Tolerance);
        }
    }

    private static LambdaMask Make(long window, long starts, long? ceiling = null) =>
        new(new LambdaMaskOptions { LocalLength = window, GlobalLength = starts, DistanceCeiling = ceiling });

    private static IEnumerable<PositionEncoding?> Encodings() => [null, new RotaryEmbedding(8), new RotaryEmbedding(4, isInterleaved: true), new AlibiEncoding(4)];

    // Scores reach about 3.
    private static IEnumerable<(PositionEncoding? Encoding, double? SoftCap)> CappedEncodings() =>
        Encodings().SelectMany(encoding => new double?[] { null, 0.9 }.Select(cap => (encoding, cap)));

    private static AttentionInput Input(long batch, long heads, long keyHeads, long length, PositionEncoding? encoding) =>
        Inputs.Uniform(
            Inputs.Random(1, batch, heads, length, 8),
            Inputs.Random(2, batch, keyHeads, length, 8),
            Inputs.Random(3, batch, keyHeads, length, 8),
            encoding is AlibiEncoding ? new AlibiEncoding((int)heads) : encoding);

    // The queries [start, start + count) with all keys up to the last of them.
    private static AttentionInput After(AttentionInput input, long start, long count) => input with
    {
        Queries = input.Queries.narrow(2, start, count),
        QueryPositions = input.QueryPositions.narrow(1, start, count),
        Keys = input.Keys.narrow(2, 0, start + count),
        Values = input.Values.narrow(2, 0, start + count),
        KeyPositions = input.KeyPositions.narrow(1, 0, start + count),
    };

    // Section 2.2 of the method, pair by pair, with rotation and slopes written out in PlainPositions.
    private static Tensor Definition(AttentionInput input, long window, long starts, long ceiling)
    {
        var (batch, heads, length) = (input.Queries.size(0), input.Queries.size(1), input.Queries.size(2));
        var sharing = heads / input.Keys.size(1);
        var rows = new List<Tensor>();
        for (long i = 0; i < length; i++)
        {
            var j = arange(i + 1, dtype: ScalarType.Int64);
            var kept = (i - j).lt(window).logical_or(j.lt(starts)).nonzero().squeeze(-1);
            var shown = (i - kept).masked_fill((i - kept).ge(window), ceiling).expand(batch, -1); // delta'
            var k = input.Keys.index_select(2, kept).repeat_interleave(sharing, 1);
            var v = input.Values.index_select(2, kept).repeat_interleave(sharing, 1);
            var q = input.Queries.narrow(2, i, 1).expand(-1, -1, kept.size(0), -1);
            var (turned, still) = (PlainPositions.Turned(input.Encoding, q, shown), PlainPositions.Turned(input.Encoding, k, zeros_like(shown)));
            var scores = (turned * still).sum(-1) / Math.Sqrt(q.size(3)); // (B, H, M)
            scores = PlainPositions.Capped(scores, input.SoftCap) + PlainPositions.Bias(input.Encoding, heads, shown);
            rows.Add((scores.softmax(-1).unsqueeze(-1) * v).sum(2, keepdim: true));
        }
        return cat(rows, 2);
    }
}
