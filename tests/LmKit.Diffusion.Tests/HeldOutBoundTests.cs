using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class HeldOutBoundTests
{
    private const long Mask = 40;

    [Fact]
    public void A_unigram_denoiser_scores_its_cross_entropy_and_the_error_of_the_draws_is_what_they_scatter()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(3);
        var (denoiser, tokens, exact) = Unigram(random, windows: 24, length: 48);
        var standardised = new List<double>();
        for (var seed = 0UL; seed < 120; seed++)
        {
            var bound = HeldOutBound.Measure(denoiser, [tokens.clone()], options: new HeldOutBoundOptions { Seed = seed, TimeCount = 6 });
            Assert.InRange(bound.DrawError, 0, 0.03);
            Assert.True(bound.StandardError > bound.DrawError, "the error over windows holds that of the draws");
            standardised.Add((bound.Value - exact) / bound.DrawError);
        }
        var spread = Math.Sqrt(standardised.Average(z => z * z));
        Assert.True(spread is > 0.85 and < 1.18, $"standardised errors spread {spread}, not 1"); // 120 draws tell a spread to 6.5 %
        Assert.InRange(Math.Abs(standardised.Average()), 0, 3 / Math.Sqrt(120));
    }

    [Fact]
    public void The_error_over_windows_is_what_sets_of_windows_scatter()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(4);
        var bounds = Enumerable.Range(0, 40).Select(_ =>
        {
            var (denoiser, tokens, _) = Unigram(random, windows: 16, length: 12);
            return HeldOutBound.Measure(denoiser, [tokens], options: new HeldOutBoundOptions { TimeCount = 4 });
        }).ToArray();
        var mean = bounds.Average(bound => bound.Value);
        var scatter = Math.Sqrt(bounds.Sum(bound => Math.Pow(bound.Value - mean, 2)) / (bounds.Length - 1));
        Assert.InRange(bounds.Average(bound => bound.StandardError) / scatter, 0.72, 1.35);
    }

    [Theory]
    [InlineData(false, 0, LossWeighting.Elbo)]
    [InlineData(false, 2, LossWeighting.Elbo)]
    [InlineData(true, 0, LossWeighting.Elbo)]
    [InlineData(true, 0, LossWeighting.ChangeOfVariables)]
    [InlineData(true, 3, LossWeighting.Elbo)]
    public void It_is_the_bound_that_training_draws(bool isTimeConditioned, int discreteSteps, LossWeighting weighting)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var times = new TimeSampling(new LogLinearSchedule(), new TimeSamplingOptions { DiscreteSteps = discreteSteps, Weighting = weighting, MinTime = 1e-5, IsStratified = false });
        var denoiser = new NeighbourDenoiser(isTimeConditioned, times.Scale);
        var clean = tensor(new long[] { 0, 1, 1, 0, 0 }, [1, 5]);
        const int draws = 40_000;
        var many = clean.expand(draws, 5).contiguous();
        var drawn = Enumerable.Range(0, 5).Select(_ =>
        {
            using var inner = NewDisposeScope();
            using var levels = times.Draw(draws, random);
            var loss = NegativeElbo.Of(denoiser, many, levels, rand([draws, 5], ScalarType.Float64, generator: random));
            return loss.Sum.item<double>() / loss.Count;
        }).ToArray();
        var bound = HeldOutBound.Measure(denoiser, [clean.expand(4_000, 5).contiguous()], times);
        var error = Math.Sqrt(drawn.Sum(value => Math.Pow(value - drawn.Average(), 2)) / 4 / 5);
        Assert.Equal(drawn.Average(), bound.Value, (5 * error) + (4 * bound.DrawError)); // five batches tell their own error badly
        Assert.InRange(bound.DrawError, 0, 0.004);
    }

    [Fact]
    public void A_small_window_is_measured_exactly_over_all_its_maskings()
    {
        using var scope = NewDisposeScope();
        var denoiser = new NeighbourDenoiser(false, LevelScale.TotalNoise);
        long[] clean = [0, 1, 1];
        // (1 / L) sum over m of the mean loss of a masked token, over all sets of m places.
        var exact = Enumerable.Range(1, 3).Average(count =>
        {
            var sets = Enumerable.Range(1, 7).Where(set => int.PopCount(set) == count).ToArray();
            return sets.Average(set => Enumerable.Range(0, 3).Where(place => (set >> place & 1) == 1).Average(place => denoiser.Loss([.. clean.Select((token, at) => (set >> at & 1) == 1 ? NeighbourDenoiser.Mask : token)], place, clean[place])));
        });
        var bound = HeldOutBound.Measure(denoiser, [tensor(clean, [1, 3]).expand(3_000, 3).contiguous()]);
        Assert.Equal(exact, bound.Value, 4 * bound.DrawError);
        Assert.InRange(bound.DrawError, 1e-9, 0.003);
    }

    [Fact]
    public void It_is_the_same_again_however_windows_are_batched_and_whatever_the_task_was_seeded_with()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        var (denoiser, tokens, _) = Unigram(random, windows: 6, length: 10);
        var whole = HeldOutBound.Measure(denoiser, [tokens.clone()]);
        Assert.Equal(whole, HeldOutBound.Measure(denoiser, tokens.split(2).Select(part => part.clone())));
        Assert.NotEqual(whole.Value, HeldOutBound.Measure(denoiser, [tokens.clone()], options: new HeldOutBoundOptions { Seed = 2 }).Value);
        using var transformer = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 5, ModelDim = 8, LayerCount = 1, HeadCount = 2, ConditionDim = 4, DropoutRate = 0 });
        Estimate? Of(ulong seed, HeldOutBoundOptions? evaluation)
        {
            using var task = DenoisingTask.OnBatches(transformer, new LanguageModelDenoiser(transformer, 4), _ => zeros([2, 6], ScalarType.Int64), seed, heldOut: () => [zeros([3, 6], ScalarType.Int64)], evaluation: evaluation);
            return task.Evaluate();
        }
        Assert.Equal(Of(1, null), Of(2, null));
        Assert.Equal("1 times and 3 maskings a window, seed 7", Of(1, new HeldOutBoundOptions { TimeCount = 1, MaskingCount = 3, Seed = 7 })!.Method);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(6);
        var (denoiser, _, _) = Unigram(random, windows: 1, length: 2);
        Assert.Contains("no token", Assert.Throws<ArgumentException>(() => HeldOutBound.Measure(denoiser, [])).Message, StringComparison.Ordinal);
        Assert.Contains("mask id 40", Assert.Throws<ArgumentException>(() => HeldOutBound.Measure(denoiser, [tensor(new long[] { 1, Mask }, [1, 2])])).Message, StringComparison.Ordinal);
        Assert.Contains("time_count", Assert.Throws<ConfigurationException>(() => HeldOutBound.Measure(denoiser, [], options: new HeldOutBoundOptions { TimeCount = 0 })).Message, StringComparison.Ordinal);
    }

    // Tokens of uneven shares, the denoiser that knows the shares alone, and its cross entropy on them.
    private static (TableDenoiser Denoiser, Tensor Tokens, double Exact) Unigram(Generator random, long windows, long length)
    {
        var logits = linspace(4, 0, Mask + 1, ScalarType.Float64);
        logits[Mask] = -100;
        var shares = logits.softmax(0);
        var tokens = multinomial(shares.narrow(0, 0, Mask), windows * length, replacement: true, generator: random).view(windows, length);
        var exact = -shares.log().index_select(0, tokens.view(-1)).mean().item<double>();
        return (new TableDenoiser(logits.expand(length, Mask + 1), Mask), tokens, exact);
    }
}
