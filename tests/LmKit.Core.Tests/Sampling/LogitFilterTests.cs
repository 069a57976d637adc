using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

[NoTensorLeak]
public sealed class LogitFilterTests
{
    [Theory]
    [InlineData(0.1, false)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    [InlineData(12, true)]
    public void Top_p_of_a_large_vocabulary_keeps_what_the_sorted_probabilities_say_ties_in_the_order_of_ids(double spread, bool hasTies)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var logits = randn([3, 2000], ScalarType.Float32, generator: random) * spread;
        if (hasTies)
            logits = logits.round();
        foreach (var probability in new[] { 0, 0.3, 0.9, 0.999 })
        {
            var kept = TopP.Filter(probability)(logits, zeros(3, 1, dtype: ScalarType.Int64), 0).isfinite();
            for (var row = 0; row < 3; row++)
            {
                var values = logits[row].to(ScalarType.Float64).data<double>().ToArray();
                var total = values.Sum(Math.Exp);
                var (ahead, expected) = (0.0, new bool[2000]);
                foreach (var id in Enumerable.Range(0, 2000).OrderByDescending(id => values[id]))
                {
                    expected[id] = ahead < probability - 1e-9 || ahead == 0;
                    ahead += Math.Exp(values[id]) / total;
                }
                Assert.Equal(expected, kept[row].data<bool>().ToArray());
            }
        }
    }

    [Fact]
    public void Top_k_keeps_the_k_most_likely() => Assert.Equal([false, true, false, true], Kept(TopK.Filter(2), [0.1, 2, -1, 3]));

    [Fact]
    public void Top_p_keeps_the_smallest_set_that_reaches_the_probability()
    {
        double[] logits = [Math.Log(0.5), Math.Log(0.3), Math.Log(0.15), Math.Log(0.05)];
        Assert.Equal([true, false, false, false], Kept(TopP.Filter(0.5), logits));
        Assert.Equal([true, true, false, false], Kept(TopP.Filter(0.6), logits));
        Assert.Equal([true, true, true, true], Kept(TopP.Filter(0.99), logits));
        Assert.Equal([true, false, false, false], Kept(TopP.Filter(0), logits));
    }

    [Fact]
    public void Min_p_drops_what_is_unlikely_beside_the_most_likely()
    {
        double[] logits = [Math.Log(0.5), Math.Log(0.3), Math.Log(0.15), Math.Log(0.05)];
        Assert.Equal([true, true, false, false], Kept(MinP.Filter(0.5), logits));
    }

    [Fact]
    public void The_repetition_penalty_divides_positive_and_multiplies_negative_logits_of_seen_tokens() =>
        Assert.Equal([1, 3, -4, -1], Apply(RepetitionPenalty.Filter(2), [2, 3, -2, -1], [-1, 0, 2], 1));

    [Fact]
    public void Frequency_and_presence_count_only_the_text_after_the_prompt() =>
        Assert.Equal([1, 1 - 2 * 0.5 - 0.25, 1 - 0.5 - 0.25, 1], Apply(RepetitionPenalty.Filter(0.5, 0.25), [1, 1, 1, 1], [0, 1, 1, 2], 1));

    [Fact]
    public void The_temperature_divides() => Assert.Equal([0.5, 1, -1, 2], Apply(Temperature.Filter(2), [1, 2, -2, 4], [0], 1));

    private static bool[] Kept(LogitFilter filter, double[] logits) => [.. Apply(filter, logits, [0], 1).Select(double.IsFinite)];

    private static double[] Apply(LogitFilter filter, double[] logits, long[] tokens, long promptLength)
    {
        using var scope = NewDisposeScope();
        var filtered = filter(tensor(logits, [1, logits.Length]), tensor(tokens, [1, tokens.Length]), promptLength);
        return filtered.data<double>().ToArray();
    }
}
