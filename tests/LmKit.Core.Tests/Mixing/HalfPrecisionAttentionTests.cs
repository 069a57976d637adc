using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Attention in half precision against float64 on the same rounded numbers.</summary>
[NoTensorLeak]
public sealed class HalfPrecisionAttentionTests
{
    private const double Allowed = 2e-2;

    public static TheoryData<ScalarType, double> Cases => new()
    {
        { ScalarType.Float16, 1 },
        { ScalarType.Float16, 190 },
        { ScalarType.BFloat16, 1 },
        { ScalarType.BFloat16, 190 },
        { ScalarType.BFloat16, 1e6 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_encoding_mask_and_form_stays_near_float64_however_large_the_scores(ScalarType dtype, double size)
    {
        using var scope = NewDisposeScope();
        foreach (var mask in new IAttentionMask[] { new CausalMask(), new BidirectionalMask(), new CeilingMask() })
        {
            foreach (var encoding in Encodings())
            {
                foreach (var (form, input) in Forms(dtype, size, encoding))
                {
                    var actual = DenseAttention.Attend(input, mask);

                    Assert.Equal(dtype, actual.dtype);
                    Close.Check($"{dtype} {mask.GetType().Name} {encoding?.GetType().Name} {form}", DenseAttention.Attend(Exact(input), mask), actual, relativeToLargest: Allowed);
                }
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Gradients_come_back_finite_and_in_the_models_dtype(ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Encodings())
        {
            var input = Forms(dtype, 190, encoding).First().Input;
            _ = input.Queries.requires_grad_();
            DenseAttention.Attend(input, new CausalMask()).sum().backward();

            Assert.Equal(dtype, input.Queries.grad!.dtype);
            Assert.True(input.Queries.grad.isfinite().all().ToBoolean(), $"{encoding?.GetType().Name}");
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void A_streamed_model_and_a_whole_one_agree_where_positions_pass_what_half_precision_counts(ScalarType dtype)
    {
        foreach (var positions in new[] { "rotary", "alibi" })
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var model = new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1, Dtype = dtype }
                .AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).AddPositions(positions).Build();
            using var random = new Generator(3);
            var tokens = randint(0, 32, [1, 2300], dtype: ScalarType.Int64, generator: random);
            var whole = model.call(tokens, null).narrow(1, 2250, 50);
            using var state = model.NewState(1);
            _ = model.call(tokens.narrow(1, 0, 2250), new SequenceContext(state));
            var steps = Enumerable.Range(2250, 50).Select(column => model.call(tokens.narrow(1, column, 1), new SequenceContext(state))).ToArray();

            Close.Check($"{positions}", whole, cat(steps, 1), relativeToLargest: Allowed);
        }
    }

    [Fact]
    public void Biases_and_rotations_are_exact_where_half_precision_ends()
    {
        using var scope = NewDisposeScope();
        var far = tensor(new long[] { 0, 1, 257, 2049, 60001 }, [1, 1, 5]);
        var bias = new AlibiEncoding(16).Bias(far, ScalarType.Float64)!;
        foreach (var dtype in new[] { ScalarType.Float16, ScalarType.BFloat16 })
        {
            Close.Check($"bias {dtype}", bias.to(dtype), new AlibiEncoding(16).Bias(far, dtype)!);

            var keys = Random(5, 1, 1, 5, 8).to(dtype);
            var exact = new RotaryEmbedding(8).EncodeKeys(keys.to(ScalarType.Float64), far[0]);
            Close.Check($"rotation {dtype}", exact.to(dtype), new RotaryEmbedding(8).EncodeKeys(keys, far[0]), absolute: 1e-6, relative: dtype == ScalarType.Float16 ? 1e-3 : 8e-3);
        }
    }

    private static IEnumerable<PositionEncoding?> Encodings() => [null, new RotaryEmbedding(8), new RotaryEmbedding(4, isInterleaved: true), new AlibiEncoding(4)];

    private static IEnumerable<(string Form, AttentionInput Input)> Forms(ScalarType dtype, double size, PositionEncoding? encoding)
    {
        const long length = 40;
        var q = (Random(1, 2, 4, length, 8) * size).to(dtype);
        var k = (Random(2, 2, 2, length, 8) * size).to(dtype);
        var v = Random(3, 2, 2, length, 8).to(dtype);
        var positions = arange(length, dtype: ScalarType.Int64).expand(2, length);
        var whole = new AttentionInput(q, k, v, positions, positions, null, null, encoding);
        yield return ("whole", whole);
        yield return ("step", whole with { Queries = q.narrow(2, length - 1, 1), QueryPositions = positions.narrow(1, length - 1, 1) });
        yield return ("chunk", whole with { Queries = q.narrow(2, 30, 10), QueryPositions = positions.narrow(1, 30, 10) });
        var segments = cat([full(2, 3, -1L, ScalarType.Int64), zeros(2, 20, ScalarType.Int64), ones(2, length - 23, ScalarType.Int64)], 1);
        var packed = cat([zeros(2, 3, ScalarType.Int64), arange(20, dtype: ScalarType.Int64).expand(2, 20), arange(length - 23, dtype: ScalarType.Int64).expand(2, length - 23)], 1);
        yield return ("padded and packed", whole with { QueryPositions = packed, KeyPositions = packed, QuerySegments = segments, KeySegments = segments });
    }

    private static AttentionInput Exact(AttentionInput input) => input with
    {
        Queries = input.Queries.to(ScalarType.Float64),
        Keys = input.Keys.to(ScalarType.Float64),
        Values = input.Values.to(ScalarType.Float64),
    };

    private static Tensor Random(ulong seed, params long[] shape)
    {
        using var random = new Generator(seed);
        return randn(shape, ScalarType.Float64, generator: random);
    }

    private sealed class CeilingMask : IAttentionMask
    {
        public bool IsCausal => true;

        public bool Forgets => false;

        public long? DistanceCeiling => 7;

        public Tensor? Visible(Tensor queries, Tensor keys) => new CausalMask().Visible(queries, keys);
    }
}
