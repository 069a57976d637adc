using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

/// <summary>Tiles, dense form and step in half precision against float64 on the same rounded numbers.</summary>
[NoTensorLeak]
public sealed class HalfPrecisionTests
{
    private const double Allowed = 2e-2;

    public static TheoryData<ScalarType, double, int> Cases => new()
    {
        { ScalarType.Float16, 1, 1 },
        { ScalarType.Float16, 190, 2 }, // q . k reaches 1e5, beyond float16
        { ScalarType.BFloat16, 1, 2 },
        { ScalarType.BFloat16, 190, 1 },
        { ScalarType.BFloat16, 1e6, 4 },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Every_form_stays_near_float64_however_large_the_scores(ScalarType dtype, double size, int sharing)
    {
        const long length = 300;
        foreach (var encoding in new PositionEncoding?[] { null, new RotaryEmbedding(8), new RotaryEmbedding(4, isInterleaved: true), new AlibiEncoding(4) })
        {
            foreach (var (window, ceiling) in new[] { (50L, null), (50L, (long?)20), (400L, null) })
            {
                using var scope = NewDisposeScope();
                var mask = new LambdaMask(new LambdaMaskOptions { LocalLength = window, GlobalLength = 5, DistanceCeiling = ceiling });
                var input = Inputs.Uniform(
                    (Inputs.Random(1, 2, 4, length, 8) * size).to(dtype),
                    (Inputs.Random(2, 2, 4 / sharing, length, 8) * size).to(dtype),
                    Inputs.Random(3, 2, 4 / sharing, length, 8).to(dtype),
                    encoding);
                var capped = input with { SoftCap = 5 };
                foreach (var (form, given) in new[] { ("tiles", input), ("dense", input.WithSegments()), ("step", Last(input, 1)), ("chunk", Last(input, 40)),
                    ("capped tiles", capped), ("capped dense", capped.WithSegments()), ("capped step", Last(capped, 1)) })
                {
                    var actual = mask.Attend(given)!;

                    Assert.Equal(dtype, actual.dtype);
                    Close.Check($"{dtype} {encoding?.GetType().Name} window {window} {form}", mask.Attend(Exact(given))!, actual, relativeToLargest: Allowed);
                }
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    public void Padded_rows_are_the_rows_alone_and_a_long_stream_is_the_whole(ScalarType dtype)
    {
        foreach (var positions in new Kind<PositionEncoding>[] { PositionComponents.None, PositionComponents.Rotary, PositionComponents.Alibi })
        {
            using var scope = NewDisposeScope();
            using var frozen = no_grad();
            using var random = new Generator(3);
            using var model = new LanguageModelBuilder { VocabSize = 32, ModelDim = 16, LayerCount = 1, Dtype = dtype }
                .AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2))
                .Add(positions)
                .AddLambdaMask(lambda => (lambda.LocalLength, lambda.GlobalLength) = (16, 3)).Build();
            var tokens = randint(0, 32, [1, 2200], dtype: ScalarType.Int64, generator: random);
            var whole = model.call(tokens, null);
            using var state = model.NewState(1);
            _ = model.call(tokens.narrow(1, 0, 2180), new SequenceContext(state));
            var steps = Enumerable.Range(2180, 20).Select(column => model.call(tokens.narrow(1, column, 1), new SequenceContext(state))).ToArray();
            Close.Check($"{positions} stream", whole.narrow(1, 2180, 20), cat(steps, 1), relativeToLargest: Allowed);

            var padded = cat([zeros(1, 5, ScalarType.Int64), tokens.narrow(1, 0, 100)], 1);
            var segments = cat([full(1, 5, -1L, ScalarType.Int64), zeros(1, 100, ScalarType.Int64)], 1);
            Close.Check($"{positions} padded", whole.narrow(1, 0, 100), model.call(padded, new SequenceContext(Segments: segments)).narrow(1, 5, 100), relativeToLargest: Allowed);
        }
    }

    private static AttentionInput Last(AttentionInput input, long count) => input with
    {
        Queries = input.Queries.narrow(2, input.Queries.size(2) - count, count),
        QueryPositions = input.QueryPositions.narrow(1, input.QueryPositions.size(1) - count, count),
    };

    private static AttentionInput Exact(AttentionInput input) => input with
    {
        Queries = input.Queries.to(ScalarType.Float64),
        Keys = input.Keys.to(ScalarType.Float64),
        Values = input.Values.to(ScalarType.Float64),
    };
}
