using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LmKit.Conformance;

/// <summary>The laws of a position encoding that acts on scores.</summary>
/// <remarks>One whose angles depend on the length keeps them at each length by itself.</remarks>
[NoTensorLeak]
public abstract class PositionEncodingConformance
{
    private const double Tolerance = 1e-9;
    private const long Heads = 2;
    private const long KeyCount = 7;
    private const long QueryCount = 5;

    /// <summary>Makes the encoding for <see cref="HeadCount"/> query heads.</summary>
    protected abstract PositionEncoding Create();

    /// <summary>Query heads.</summary>
    protected static int HeadCount => (int)Heads;

    /// <summary>Width of a head.</summary>
    protected virtual long HeadDim => 8;

    [Fact]
    public void A_score_depends_on_positions_through_their_distance_only_where_the_encoding_says_so()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var (q, k) = (Numbers(1, QueryCount), Numbers(2, KeyCount));
            var (i, j) = (tensor(new long[] { 3, 4, 9, 20, 21 }, [1, 5]), tensor(new long[] { 0, 1, 9, 3, 7, 20, 21 }, [1, 7]));
            var scores = Scores(encoding, q, k, i, j);
            if (!encoding.IsRelative)
            {
                Assert.True((scores - Scores(encoding, q, k, i + 4096, j + 4096)).abs().max().item<double>() > 1e-3, "It says that scores depend on more than distances, and they do not.");
                continue;
            }
            foreach (var offset in new long[] { 1, 13, 4096 })
                Close.Check($"moved by {offset}", scores, Scores(encoding, q, k, i + offset, j + offset), absolute: Tolerance);
            for (var query = 0; query < QueryCount; query++)
            {
                for (var key = 0; key < KeyCount; key++)
                {
                    var (oneQuery, oneKey) = (q.narrow(2, query, 1), k.narrow(2, key, 1));
                    var distance = (i[0, query] - j[0, key]).view(1, 1);
                    Close.Check($"query {query}, key {key}", scores[.., .., query, key], Scores(encoding, oneQuery, oneKey, distance, zeros_like(distance))[.., .., 0, 0], absolute: Tolerance);
                }
            }
        }
    }

    [Fact]
    public void A_query_times_a_number_is_encoded_to_so_many_times_as_much()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var (q, i) = (Numbers(1, QueryCount), tensor(new long[] { 3, 4, 9, 20, 21 }, [1, 5]));
            Close.Check("three times", encoding.EncodeQueries(q, i) * 3, encoding.EncodeQueries(q * 3, i), absolute: Tolerance);
        }
    }

    [Fact]
    public void Rows_have_positions_of_their_own_and_one_row_of_positions_serves_all()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var x = cat([Numbers(1, 3), Numbers(2, 3)], 0);
            var positions = tensor(new long[] { 0, 1, 2, 5, 2, 40 }, [2, 3]);
            foreach (var encode in new Func<Tensor, Tensor, Tensor>[] { encoding.EncodeQueries, encoding.EncodeKeys })
            {
                var both = encode(x, positions);
                Close.Check("rows", cat([encode(x[..1], positions[..1]), encode(x[1..], positions[1..])], 0), both);
                Close.Check("one row of positions", cat([encode(x[..1], positions[..1]), encode(x[1..], positions[..1])], 0), encode(x, positions[..1]));
            }
        }
    }

    [Fact]
    public void An_encoding_that_turns_keys_turns_them_back_and_another_says_that_it_does_not()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var (keys, positions) = (Numbers(3, 4), tensor(new long[] { 0, 3, 17, 900 }, [1, 4]));
            if (encoding.TurnsKeys)
                Close.Check("turned back", keys, encoding.DecodeKeys(encoding.EncodeKeys(keys, positions), positions), absolute: Tolerance);
            else
                Assert.Throws<NotSupportedException>(() => encoding.DecodeKeys(keys, positions));
        }
    }

    [Fact]
    public void One_that_is_free_of_bias_adds_none_and_a_bias_has_a_number_for_each_head()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var distances = tensor(new long[] { 0, 1, 2, 30, 4, 5 }, [1, 2, 3]);
            var bias = encoding.Bias(distances, ScalarType.Float64);

            Assert.False(encoding.IsBiasFree && bias is not null, "It says that it adds no bias, and adds one.");
            if (bias is null)
                continue;
            Assert.Equal([1, Heads, 2, 3], bias.shape);
            Assert.Equal(ScalarType.Float64, bias.dtype);
        }
    }

    [Fact]
    public void It_is_pure_and_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        foreach (var encoding in Each())
        {
            var (x, positions) = (Numbers(4, 6), arange(6, dtype: ScalarType.Int64).unsqueeze(0));
            var (given, first) = (x.clone(), encoding.EncodeQueries(x, positions));
            _ = encoding.EncodeQueries(x, positions + 1_000);

            Close.Check("second answer", first, encoding.EncodeQueries(x, positions));
            Close.Check("what was given", given, x);
            Assert.Equal(x.shape, first.shape);
            Assert.Equal(x.dtype, first.dtype);
            LiveTensors.Unchanged("Encoding", () =>
            {
                encoding.EncodeQueries(x, positions).Dispose();
                encoding.EncodeKeys(x, positions).Dispose();
            });
        }
    }

    [Fact]
    public void It_serves_the_heads_that_it_was_made_for() => Assert.All(Each(), encoding => encoding.CheckHeads(Heads));

    [Fact]
    public void Up_to_the_trained_length_it_is_one_encoding_and_what_a_length_gives_depends_on_none()
    {
        var encoding = Create();
        if (encoding.TrainedLength is not { } trained)
        {
            Assert.Same(encoding, encoding.ForLength(1_000_000));
            return;
        }
        Assert.True(trained > 0);
        Assert.Same(encoding.ForLength(1), encoding.ForLength(trained));
        Assert.NotSame(encoding.ForLength(1), encoding.ForLength(trained + 1));
        Assert.All(Each(), one => Assert.False(one.DependsOnLength));
    }

    // The encodings that a length-dependent one stands for; itself if it is none.
    private IEnumerable<PositionEncoding> Each()
    {
        var encoding = Create();
        Assert.True(encoding.ActsOnScores);
        return encoding.TrainedLength is { } trained ? [encoding.ForLength(trained), encoding.ForLength(trained + 1), encoding.ForLength(3 * trained)] : [encoding];
    }

    private static Tensor Scores(PositionEncoding encoding, Tensor q, Tensor k, Tensor i, Tensor j)
    {
        var scores = einsum("bhlp,bhmp->bhlm", encoding.EncodeQueries(q, i), encoding.EncodeKeys(k, j));
        return encoding.Bias(i.unsqueeze(-1) - j.unsqueeze(-2), ScalarType.Float64) is { } bias ? scores + bias : scores;
    }

    private Tensor Numbers(ulong seed, long length)
    {
        using var random = new Generator(seed);
        return randn([1, Heads, length, HeadDim], ScalarType.Float64, generator: random);
    }
}
