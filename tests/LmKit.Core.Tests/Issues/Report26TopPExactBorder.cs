using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>Probabilities .5 .3 .1 .1 and p = .8 kept three tokens, since sums of float32 shares round below .8.</summary>
[NoTensorLeak]
public sealed class Report26TopPExactBorder
{
    public static TheoryData<double[], double, int> Borders => new()
    {
        { [.3, .1, .1, .5], .8, 2 },
        { [.5, .3, .1, .1], .80000005, 2 }, // nearer than float32 logits can say
        { [.5, .3, .1, .1], .8001, 3 },
        { [.5, .3, .1, .1], .7999, 2 },
        { [.4, .3, .2, .1], .9, 3 },
        { [.4, .3, .2, .1], .7, 2 },
        { [.1, .2, .3, .4], .4, 1 },
        { [.25, .25, .25, .25], .5, 2 },
        { [.7, .2, .1], .9, 2 },
        { [.6, .3, .1], .9, 2 },
        { [.2, .2, .2, .2, .2], .6, 3 },
        { [1 / 3.0, 1 / 3.0, 1 / 3.0], 2 / 3.0, 2 },
        { [.99, .009, .001], .999, 2 },
        { [.5, .5], 0, 1 },
        { [.5, .3, .1, .1], 1e-9, 1 },
        { [.5, .3, .1, .1], 1, 4 },
        { [.99999999, 1e-8], 1, 2 },
        { [.9999, 1e-4], .99999, 2 },
        { [1], .5, 1 },
    };

    [Theory]
    [MemberData(nameof(Borders))]
    public void The_smallest_set_that_reaches_p_stays(double[] probabilities, double p, int kept)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            foreach (var shift in new[] { 0, .25, -.5 })
            {
                var logits = tensor(probabilities, [1, probabilities.Length]).log().add(shift).to(dtype);
                if (dtype == ScalarType.Float64 && p == .80000005)
                    continue; // float64 can say it
                Assert.Equal(kept, TopP.Filter(p)(logits, Grid, 0).isfinite().sum().item<long>());
            }
        }
    }

    [Fact]
    public void Of_equally_likely_tokens_the_lower_ids_stay()
    {
        using var scope = NewDisposeScope();
        var filtered = TopP.Filter(.5)(zeros(1, 200), Grid, 0);

        Assert.Equal(100, filtered.isfinite().sum().item<long>());
        Assert.True(filtered.narrow(1, 0, 100).isfinite().all().ToBoolean());
    }

    [Fact]
    public void Random_rows_keep_what_a_sum_in_float64_keeps()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var logits = randn([50, 1000], ScalarType.Float64, generator: random) * 3;
        foreach (var p in new[] { .1, .5, .9, .999 })
        {
            foreach (var dtype in new[] { ScalarType.Float64, ScalarType.Float32, ScalarType.Float16, ScalarType.BFloat16 })
            {
                var rounded = logits.to(dtype);
                var kept = HostValues.Read(TopP.Filter(p)(rounded, Grid, 0).isfinite().sum(1));
                for (var row = 0; row < kept.Length; row++)
                {
                    var shares = rounded[row].to(ScalarType.Float64).softmax(-1).data<double>().ToArray().OrderDescending().ToArray();
                    var (wanted, sum) = (1, shares[0]);
                    var isOnTheBorder = false;
                    while (sum < p)
                    {
                        sum += shares[wanted++];
                        isOnTheBorder |= Math.Abs(sum - p) < 1e-6;
                    }
                    if (!isOnTheBorder)
                        Assert.Equal(wanted, kept[row]);
                }
            }
        }
    }

    [Theory]
    [InlineData(new[] { .4, .2, .3, .1 }, .5, 3)]
    [InlineData(new[] { .5, .25, .2, .05 }, .5, 2)]
    [InlineData(new[] { .5, .25, .2, .05 }, .1, 4)]
    [InlineData(new[] { .6, .3, .06, .04 }, .1, 3)]
    [InlineData(new[] { .5, .5 }, 1.0, 2)]
    public void Min_p_keeps_a_token_that_reaches_its_share_exactly(double[] probabilities, double share, int kept)
    {
        using var scope = NewDisposeScope();
        foreach (var dtype in new[] { ScalarType.Float32, ScalarType.Float64 })
        {
            foreach (var shift in new[] { 0, .25 })
            {
                var logits = tensor(probabilities, [1, probabilities.Length]).log().add(shift).to(dtype);
                Assert.Equal(kept, MinP.Filter(share)(logits, Grid, 0).isfinite().sum().item<long>());
            }
        }
    }

    [Fact]
    public void Numbers_that_cannot_be_are_refused_by_name()
    {
        foreach (var wrong in new[] { double.NaN, -0.1, 1.1, double.PositiveInfinity })
        {
            Assert.Equal("probability", Assert.Throws<ArgumentOutOfRangeException>(() => TopP.Filter(wrong)).ParamName);
            Assert.Equal("share", Assert.Throws<ArgumentOutOfRangeException>(() => MinP.Filter(wrong)).ParamName);
        }
        foreach (var wrong in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity, -1.0 })
        {
            Assert.Equal("temperature", Assert.Throws<ArgumentOutOfRangeException>(() => Temperature.Filter(wrong)).ParamName);
            Assert.Equal("penalty", Assert.Throws<ArgumentOutOfRangeException>(() => RepetitionPenalty.Filter(wrong)).ParamName);
        }
        foreach (var wrong in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
        {
            Assert.Equal("frequency", Assert.Throws<ArgumentOutOfRangeException>(() => RepetitionPenalty.Filter(wrong, 0)).ParamName);
            Assert.Equal("presence", Assert.Throws<ArgumentOutOfRangeException>(() => RepetitionPenalty.Filter(0, wrong)).ParamName);
        }
    }

    private static Tensor Grid => zeros(1, 1, dtype: ScalarType.Int64);
}
