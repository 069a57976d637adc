using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Every policy on every encoding is what its formula says, however a text comes.</summary>
[NoTensorLeak]
public sealed class PolicyFormTests
{
    private const double Tolerance = 1e-12;

    public static TheoryData<int> Policies => [.. Enumerable.Range(0, Policy.All.Count)];

    [Theory]
    [MemberData(nameof(Policies))]
    public void Every_form_equals_the_definition(int policy)
    {
        var (own, length) = (Policy.All[policy], 41);
        var mask = (IMaskedAttention)own.Mask();
        foreach (var (encoding, cap, sharing) in Cases())
        {
            using var scope = NewDisposeScope();
            var input = Input(2, 4, 4 / sharing, length, encoding) with { SoftCap = cap };
            var expected = own.Attended(input);

            Close.Check($"{own} {encoding} whole", expected, mask.Attend(input)!, absolute: Tolerance);
            Close.Check($"{own} {encoding} with documents", expected, mask.Attend(input.WithSegments())!, absolute: Tolerance);
            for (var t = 0; t < length; t += 3)
                Close.Check($"{own} {encoding} step {t}", expected.narrow(2, t, 1), mask.Attend(After(input, t, 1))!, absolute: Tolerance);
            Close.Check($"{own} {encoding} chunk", expected.narrow(2, 5, length - 5), mask.Attend(After(input, 5, length - 5))!, absolute: Tolerance);
        }
    }

    // Tiles of queries end inside and between windows, groups and chunks.
    [Theory]
    [MemberData(nameof(Policies))]
    public void Texts_of_several_tiles_equal_the_definition(int policy)
    {
        using var scope = NewDisposeScope();
        var own = Policy.All[policy];
        var input = Input(1, 2, 1, 300, new RotaryEmbedding(8));

        Close.Check($"{own}", own.Attended(input), ((IMaskedAttention)own.Mask()).Attend(input)!, absolute: Tolerance);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Up_to_its_own_length_it_is_plain_causal_attention(int policy)
    {
        var own = Policy.All[policy];
        var mask = (IMaskedAttention)own.Mask();
        foreach (var (encoding, cap, sharing) in Cases())
        {
            using var scope = NewDisposeScope();
            var longer = Input(2, 4, 4 / sharing, own.PlainLength + 1, encoding) with { SoftCap = cap };
            var input = After(longer, 0, own.PlainLength);
            var expected = DenseAttention.Attend(input, new CausalMask());

            Close.Check("whole", expected, mask.Attend(input)!, absolute: Tolerance);
            Close.Check("with documents", expected, mask.Attend(input.WithSegments())!, absolute: Tolerance);
            Close.Check("chunk", expected.narrow(2, 2, own.PlainLength - 2), mask.Attend(After(input, 2, own.PlainLength - 2))!, absolute: Tolerance);
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void Where_the_members_of_the_contract_say_it_all_dense_attention_computes_the_same(int policy)
    {
        var own = Policy.All[policy];
        var mask = own.Mask();
        foreach (var (encoding, cap, _) in Cases())
        {
            using var scope = NewDisposeScope();
            var input = Input(2, 4, 2, 41, encoding) with { SoftCap = cap };
            if (((IMaskedAttention)mask).HasDenseForm)
                Close.Check($"{own}", own.Attended(input), DenseAttention.Attend(input, mask), absolute: Tolerance);
            else
                Assert.Contains(mask.ToString()!, Assert.Throws<NotSupportedException>(() => DenseAttention.Attend(input, mask)).Message, StringComparison.Ordinal);
        }
    }

    // A sink is a key of value 0 that every query sees.
    [Theory]
    [MemberData(nameof(Policies))]
    public void A_sink_takes_the_weight_of_a_key_without_a_value(int policy)
    {
        using var scope = NewDisposeScope();
        var own = Policy.All[policy];
        var mask = (IMaskedAttention)own.Mask();
        var sinks = Inputs.Random(8, 4);
        var input = Input(2, 4, 2, 30, new RotaryEmbedding(8));
        var ones = input with { Values = ones_like(input.Values) };
        // Weights of keys add up to less than 1 by the sink's own; all others keep their ratios.
        var left = mask.Attend(ones with { Sinks = sinks })!;

        Assert.True(mask.ServesSinks);
        Close.Check($"{own}", own.Attended(input) * left, mask.Attend(input with { Sinks = sinks })!, absolute: Tolerance);
        Assert.True(left.max().item<double>() < 1 && left.min().item<double>() > 0);
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_decoded_text_equals_the_whole_in_single_precision_too(int policy)
    {
        using var frozen = no_grad();
        foreach (var positions in new[] { "none", "rotary", "partial", "scaled", "alibi" })
        {
            using var scope = NewDisposeScope();
            foreach (var (dtype, tolerance) in new[] { (ScalarType.Float64, Tolerance), (ScalarType.Float32, 2e-5) })
            {
                using var attention = Attention(Policy.All[policy], positions, dtype);
                using var state = attention.NewState(2);
                var x = Inputs.Random(7, 2, 40, ToyModel.ModelDim).to(dtype);
                var pieces = new List<Tensor> { attention.call(x.narrow(1, 0, 5), new SequenceContext(state)) };
                for (var t = 5; t < 40; t++)
                    pieces.Add(attention.call(x.narrow(1, t, 1), new SequenceContext(state)));

                Close.Check($"{Policy.All[policy]} {positions} {dtype}", attention.call(x, null), cat(pieces, 1), absolute: tolerance);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_padded_row_is_what_it_is_alone(int policy)
    {
        using var frozen = no_grad();
        foreach (var positions in new[] { "none", "rotary", "partial", "scaled", "alibi" })
        {
            using var scope = NewDisposeScope();
            using var attention = Attention(Policy.All[policy], positions, ScalarType.Float64);
            using var state = attention.NewState(2);
            var x = Inputs.Random(7, 2, 40, ToyModel.ModelDim);
            var segments = zeros(2, 40, dtype: ScalarType.Int64);
            segments[0, TensorIndex.Slice(0, 11)] = -1L;
            segments[1, TensorIndex.Slice(31)] = -1L;
            var whole = attention.call(x, new SequenceContext(null, segments));
            var pieces = cat([.. x.split(9, 1).Zip(segments.split(9, 1)).Select(piece => attention.call(piece.First, new SequenceContext(state, piece.Second)))], 1);
            foreach (var (form, y) in new[] { ("whole", whole), ("in pieces", pieces) })
            {
                Close.Check($"{form}, left", attention.call(x[0].narrow(0, 11, 29).unsqueeze(0), null)[0], y[0].narrow(0, 11, 29), absolute: Tolerance);
                Close.Check($"{form}, right", attention.call(x[1].narrow(0, 0, 31).unsqueeze(0), null)[0], y[1].narrow(0, 0, 31), absolute: Tolerance);
            }
        }
    }

    private static Attention Attention(Policy policy, string positions, ScalarType dtype)
    {
        var builder = ToyModel.Builder(dtype: dtype);
        policy.Add(positions switch
        {
            "rotary" => builder.AddRotary(),
            "partial" => builder.AddRotary(rotary => (rotary.Dim, rotary.IsInterleaved) = (2, true)),
            "scaled" => builder.AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling { Factor = 8, OriginalLength = 16 }),
            "alibi" => builder.AddAlibi(),
            _ => builder,
        });
        return ToyModel.Component(builder, layer => new Attention(new AttentionOptions { HeadCount = 4, KeyValueHeadCount = 2, HeadDim = 6 }, layer));
    }

    // Rotary whole, partly and between neighbours, and scaled by YaRN of so short a trained length that every pair but the first turns 8 times slower.
    private static IEnumerable<(PositionEncoding? Encoding, double? SoftCap, long Sharing)> Cases()
    {
        var scaled = ToyModel.Component(
            ToyModel.Builder().AddRotary(rotary => rotary.Scaling = new YarnRotaryScaling { Factor = 8, OriginalLength = 1, AttentionFactor = PlainPositions.ScaledFactor }),
            layer => layer.Positions(4, 8));
        return [(null, null, 1), (new RotaryEmbedding(8), 0.9, 2), (new RotaryEmbedding(4, isInterleaved: true), null, 4), (scaled, null, 2), (new AlibiEncoding(4), 0.9, 2)];
    }

    private static AttentionInput Input(long batch, long heads, long keyHeads, long length, PositionEncoding? encoding) =>
        Inputs.Uniform(Inputs.Random(1, batch, heads, length, 8), Inputs.Random(2, batch, keyHeads, length, 8), Inputs.Random(3, batch, keyHeads, length, 8), encoding);

    // The queries [start, start + count) with all keys up to the last of them.
    private static AttentionInput After(AttentionInput input, long start, long count) => input with
    {
        Queries = input.Queries.narrow(2, start, count),
        QueryPositions = input.QueryPositions.narrow(1, start, count),
        Keys = input.Keys.narrow(2, 0, start + count),
        Values = input.Values.narrow(2, 0, start + count),
        KeyPositions = input.KeyPositions.narrow(1, 0, start + count),
    };
}
