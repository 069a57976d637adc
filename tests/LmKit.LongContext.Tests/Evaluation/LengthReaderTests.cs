using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.LongContext.Tests;

[NoTensorLeak]
public class LengthReaderTests
{
    private const int Length = 90;

    public static TheoryData<string, int, int> Chunks
    {
        get
        {
            var data = new TheoryData<string, int, int>();
            foreach (var policy in new[] { "causal", "lambda", "window" })
            {
                foreach (var chunk in new[] { 1, 7, 64 })
                {
                    data.Add(policy, chunk, 1);
                    data.Add(policy, chunk, 3);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Chunks))]
    public void Chunks_and_batches_of_any_size_give_the_same_losses(string policy, int chunk, int batch)
    {
        using var model = Model(policy);
        var whole = LengthReader.Read(model, Texts(), Options(10_000, 1));
        var pieces = LengthReader.Read(model, Texts(), Options(chunk, batch));

        Assert.Equal(["0-3", "4-31", "32+"], whole.Buckets.Select(bucket => bucket.Name));
        Assert.Equal([12L, 84L, 174L], whole.Buckets.Select(bucket => bucket.Loss.TokenCount));
        Assert.Equal(whole.Buckets.Select(bucket => bucket.Loss.Value), pieces.Buckets.Select(bucket => bucket.Loss.Value), new Near(1e-10));
        Assert.Equal(whole.Buckets.Select(bucket => bucket.Loss.StandardError), pieces.Buckets.Select(bucket => bucket.Loss.StandardError), new Near(1e-10));
    }

    [Fact]
    public void A_bucket_is_the_mean_loss_of_what_is_predicted_from_its_positions()
    {
        using var scope = NewDisposeScope();
        using var model = Model("lambda");
        var read = LengthReader.Read(model, Texts(), Options(7, 1));

        var tokens = tensor(Texts().SelectMany(text => text.Prepend(0).Select(token => (long)token)).ToArray(), [3, Length + 1]);
        var losses = NextTokenLoss.PerToken(model, tokens);
        Assert.Equal(losses.narrow(1, 4, 28).mean().ToDouble(), read.Buckets[1].Loss.Value, 1e-10);
        Assert.Equal(losses.mean().ToDouble(), read.Loss.Value, 1e-10);
        Assert.Equal(Length + 1, read.Longest);
    }

    [Fact]
    public void Memory_is_bounded_where_the_mask_forgets_and_grows_where_it_does_not()
    {
        using var bounded = Model("lambda");
        using var whole = Model("causal");
        var longer = Enumerable.Range(0, 600).Select(place => place % 7).ToArray();

        var (first, second) = (Bytes(bounded, longer[..300]), Bytes(bounded, longer));
        Assert.InRange(second, first / 2, first * 3 / 2);
        Assert.InRange(Bytes(whole, longer), 1.9 * Bytes(whole, longer[..300]), 2.1 * Bytes(whole, longer[..300]));

        static long Bytes(LanguageModel model, int[] text) => LengthReader.Read(model, [text], new LengthReaderOptions { ChunkLength = 10 }).StateBytes;
    }

    [Fact]
    public void Readings_of_the_same_texts_are_compared_piece_by_piece_and_others_refused()
    {
        using var one = Model("lambda");
        using var other = Model("causal");
        var (first, second) = (LengthReader.Read(one, Texts(), Options(7, 1)), LengthReader.Read(other, Texts(), Options(9, 1)));

        var over = first.Over(second, 32);
        Assert.Equal(first.Buckets[2].Loss.Value - second.Buckets[2].Loss.Value, over.Value, 1e-10);
        Assert.Equal(0, first.Over(second, 0).Value, 1e-10); // no window is left yet
        Assert.Throws<ArgumentException>(() => first.Over(LengthReader.Read(other, Texts()[..2], Options(7, 1)), 32));
        Assert.Contains("0, 4, 32", Assert.Throws<ArgumentException>(() => first.Over(second, 33)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_loss_that_is_not_finite_is_refused_with_its_place()
    {
        using var scope = NewDisposeScope();
        using var model = Model("lambda");
        using (no_grad())
            model.parameters().Last().fill_(double.NaN);

        var error = Assert.Throws<InvalidOperationException>(() => LengthReader.Read(model, Texts(), Options(7, 1)));
        Assert.Contains("token 0 of text 0 is NaN", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_does_not_fit_is_refused_by_name()
    {
        using var model = Model("lambda");
        Refused("LengthReaderOptions.Edges[1] = 4", () => LengthReader.Read(model, Texts(), new LengthReaderOptions { Edges = [4, 4] }));
        Refused("LengthReaderOptions.ChunkLength = 0", () => LengthReader.Read(model, Texts(), new LengthReaderOptions { ChunkLength = 0 }));
        Refused("LengthReaderOptions.PrefixToken = 11", () => LengthReader.Read(model, Texts(), new LengthReaderOptions { PrefixToken = 11 }));
        Refused("Token 1 of text 1 is 12", () => LengthReader.Read(model, [[1, 2, 3], [1, 12]]));
        Refused("no token to score", () => LengthReader.Read(model, [[1]]));
        model.train();
        Refused("training mode", () => LengthReader.Read(model, Texts()));

        static void Refused(string words, Action read) => Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(read).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Learned_positions_end_a_text_by_name()
    {
        using var model = ToyModel.Builder().AddAttention().AddLearnedPositions(20).Build();

        Assert.Contains("the model reads 20", Assert.Throws<ArgumentException>(() => LengthReader.Read(model, Texts())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Angles_that_change_with_the_length_are_read_in_one_call_or_refused()
    {
        using var scope = NewDisposeScope();
        using var model = ToyModel.Builder().AddAttention().AddRotary(rotary => rotary.Scaling = new DynamicRotaryScaling { Factor = 2, OriginalLength = 20 }).Build();
        var tokens = tensor(Texts()[0].Select(token => (long)token).ToArray()).unsqueeze(0);

        // The last token is not read, so a text of one less is what its angles follow.
        Assert.Equal(nn.functional.cross_entropy(model.call(tokens.narrow(1, 0, Length - 1), null)[0], tokens[0].narrow(0, 1, Length - 1)).ToDouble(), LengthReader.Read(model, [Texts()[0]], new LengthReaderOptions { ChunkLength = 1_000 }).Loss.Value, 1e-9);
        Assert.ThrowsAny<NotSupportedException>(() => LengthReader.Read(model, [Texts()[0]], new LengthReaderOptions { ChunkLength = 7 }));
    }

    [Fact]
    public void It_stops_when_told_to()
    {
        using var model = Model("lambda");
        using var stop = new CancellationTokenSource();
        stop.Cancel();

        Assert.Throws<OperationCanceledException>(() => LengthReader.Read(model, Texts(), null, stop.Token));
    }

    private static LengthReaderOptions Options(int chunk, int batch) => new() { ChunkLength = chunk, BatchSize = batch, PrefixToken = 0, Edges = [4, 32] };

    private static IReadOnlyList<int>[] Texts() => [.. Enumerable.Range(0, 3).Select(text => (IReadOnlyList<int>)[.. Enumerable.Range(0, Length).Select(place => (place * (text + 3) + place / 5) % (int)ToyModel.VocabSize)])];

    private static LanguageModel Model(string policy)
    {
        var builder = ToyModel.Builder().AddAttention(attention => (attention.HeadCount, attention.KeyValueHeadCount) = (4, 2)).AddRotary();
        return (policy switch
        {
            "lambda" => builder.AddLambdaMask(mask => (mask.LocalLength, mask.GlobalLength) = (9, 2)),
            "window" => builder.AddSlidingWindowMask(mask => mask.Window = 9),
            _ => builder,
        }).Build();
    }

    private sealed class Near(double tolerance) : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => Math.Abs(x - y) <= tolerance;

        public int GetHashCode(double obj) => 0;
    }
}
