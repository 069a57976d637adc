using System.Text;
using CsCheck;

namespace LmKit.QuickStart.Tests;

public class ByteModelTests
{
    private const double Rounding = 1e-12;

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    [Theory]
    [InlineData("abracadabra", "abr", 3)]
    [InlineData("abracadabra", "zz", 3)]
    [InlineData("abracadabra", "", 5)]
    [InlineData("abracadabra", "cadabra", 7)]
    [InlineData("", "a", 2)]
    public void Probabilities_after_any_context_sum_to_one(string training, string context, int order)
    {
        var model = ByteModel.Train(Bytes(training), order);

        Assert.Equal(1, Enumerable.Range(0, 256).Sum(next => model.Probability(Bytes(context), (byte)next)), Rounding);
    }

    // "abab": order 0 has n = 4, t = 2; context a has n = 2, t = 1 (b twice); context b has n = 1, t = 1 (a once).
    [Fact]
    public void A_tiny_case_equals_the_formula_by_hand()
    {
        var model = ByteModel.Train(Bytes("abab"), 1);
        const double Order0Seen = (2 + (2 / 256.0)) / 6;
        const double Order0Unseen = 2 / 256.0 / 6;

        Assert.Equal(Order0Seen, model.Probability([], (byte)'a'), Rounding);
        Assert.Equal((2 + Order0Seen) / 3, model.Probability(Bytes("a"), (byte)'b'), Rounding);
        Assert.Equal(Order0Seen / 3, model.Probability(Bytes("a"), (byte)'a'), Rounding);
        Assert.Equal((1 + Order0Seen) / 2, model.Probability(Bytes("b"), (byte)'a'), Rounding);
        Assert.Equal(Order0Unseen / 2, model.Probability(Bytes("b"), (byte)'c'), Rounding);
        Assert.Equal(Order0Unseen, model.Probability(Bytes("c"), (byte)'c'), Rounding);
    }

    [Fact]
    public void Bits_per_byte_is_the_mean_of_minus_log2_of_the_probabilities()
    {
        var model = ByteModel.Train(Bytes("the cat sat on the mat, and the dog sat on the cat"), 4);
        var text = Bytes("the dog sat on a mat");

        var expected = text.Select((next, i) => -Math.Log2(model.Probability(text.AsSpan(0, i), next))).Average();

        Assert.Equal(expected, model.BitsPerByte(text), Rounding);
    }

    [Fact]
    public void A_lower_order_of_a_model_equals_a_model_of_that_order()
    {
        var training = Bytes("the cat sat on the mat, and the dog sat on the cat");
        var text = Bytes("a dog and a cat");

        Assert.Equal(ByteModel.Train(training, 2).BitsPerByte(text), ByteModel.Train(training, 6).BitsPerByte(text, 2), Rounding);
    }

    [Fact]
    public void An_untrained_model_takes_eight_bits_a_byte() =>
        Assert.Equal(8, ByteModel.Train(Array.Empty<byte>(), 3).BitsPerByte(Bytes("anything")), Rounding);

    [Fact]
    public void Counts_of_random_contexts_equal_those_of_a_plain_search() =>
        Gen.Byte[0, 3].Array[0, 200].Sample(
            text =>
            {
                foreach (var length in new[] { 0, 1, 2, 3 })
                {
                    var counts = ContextCounts.Of(text, length);
                    foreach (var start in Enumerable.Range(0, Math.Max(0, text.Length - length)))
                    {
                        var context = text.AsSpan(start, length).ToArray();
                        var followers = Enumerable.Range(0, text.Length - length)
                            .Where(i => text.AsSpan(i, length).SequenceEqual(context)).Select(i => text[i + length]).ToArray();
                        var packed = context.Aggregate(0UL, (history, value) => (history << 8) | value);
                        Assert.Equal(followers.Length, counts.Occurrences(packed));
                        Assert.Equal(followers.Distinct().Count(), counts.Followers(packed));
                        Assert.Equal(followers.Count(next => next == 2), counts.Occurrences(packed, 2));
                    }
                }
            },
            iter: 30);

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    public void An_order_out_of_range_is_refused(int order) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ByteModel.Train(Bytes("a"), order));
}
