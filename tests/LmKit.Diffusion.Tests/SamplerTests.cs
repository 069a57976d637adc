using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

[NoTensorLeak]
public class SamplerTests
{
    private const long Mask = 6;

    private static readonly Func<IDenoiser, DiffusionSampler>[] samplers =
    [
        denoiser => new AncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 5 }),
        denoiser => new CachedAncestralSampler(denoiser, new CachedAncestralSamplerOptions { StepCount = 5 }),
        denoiser => new AnalyticSampler(denoiser, new DiffusionSamplerOptions { StepCount = 5 }),
        denoiser => new SparseAncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = 5 }),
        denoiser => new RemaskingSampler(denoiser, new RemaskingSamplerOptions { StepCount = 5, Eta = 0.5 }),
        denoiser => new SemiAutoregressiveSampler(denoiser, new SemiAutoregressiveSamplerOptions { StepCount = 5, WindowLength = 4, StrideLength = 2 }),
        denoiser => new ConfidenceSampler(denoiser, new ConfidenceSamplerOptions { StepCount = 5, Threshold = 0.5 }),
        denoiser => new ConfidenceSampler(denoiser, new ConfidenceSamplerOptions { StepCount = 5, Threshold = 0.5, IsDrawn = true }),
    ];

    public static TheoryData<int> Samplers => [.. Enumerable.Range(0, samplers.Length)];

    [Theory]
    [MemberData(nameof(Samplers))]
    public void Fixed_positions_anywhere_never_change_and_free_ones_are_filled(int which)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var prompt = tensor(new long[] { Mask, 3, Mask, Mask, 0, Mask, 5, Mask, Mask, Mask, Mask, 1 }, [2, 6]);
        foreach (var grid in samplers[which](Toy(random)).Sample(prompt, 3, random))
        {
            Close.Check("fixed", prompt.masked_select(prompt.ne(Mask)), grid.narrow(1, 0, 6).masked_select(prompt.ne(Mask)));
            grid.Dispose();
        }
        using var last = Draws.Last(samplers[which](Toy(random)), prompt, 3, 2);
        Assert.False(last.eq(Mask).any().ToBoolean());
    }

    [Theory]
    [MemberData(nameof(Samplers))]
    public void A_prompt_that_covers_everything_costs_nothing(int which)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var (prompt, ledger) = (zeros([2, 4], ScalarType.Int64), new CallLedger());
        using var last = Draws.Last(samplers[which](Toy(random)), prompt, 0, 1, ledger);
        Close.Check("sample", prompt, last);
        Assert.Equal((0, 0), (ledger.DenoiserForwards, ledger.NoiseRemovalForwards));
    }

    [Theory]
    [MemberData(nameof(Samplers))]
    public void A_row_is_the_same_in_a_batch_of_one_and_of_many(int which)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var denoiser = Toy(random);
        using var one = Draws.Last(samplers[which](denoiser), zeros([1, 1], ScalarType.Int64), 7, 9);
        using var many = Draws.Last(samplers[which](denoiser), zeros([5, 1], ScalarType.Int64), 7, 9);
        Close.Check("row 0", one, many.narrow(0, 0, 1));
    }

    // A network mixes tokens of a row; rows of a batch must not meet, nor the numbers drawn for them.
    [Theory]
    [MemberData(nameof(Samplers))]
    public void A_row_of_a_network_is_the_same_in_a_batch_of_one_and_of_many(int which)
    {
        using var scope = NewDisposeScope();
        using var network = DiffusionTransformer.Build(new DiffusionTransformerOptions { VocabSize = 7, ModelDim = 16, LayerCount = 2, HeadCount = 2, ConditionDim = 8, Seed = 3 }, ScalarType.Float64);
        Stir(network);
        network.eval();
        var denoiser = new LanguageModelDenoiser(network, Mask);
        var prompt = tensor(new long[] { 0, 5, 3, 1, 4, 2, 2, 0 }, [4, 2]);
        using var many = Draws.Last(samplers[which](denoiser), prompt, 9, 9);
        using var one = Draws.Last(samplers[which](denoiser), prompt.narrow(0, 0, 1), 9, 9);
        Close.Check("row 0", one, many.narrow(0, 0, 1));

        // Other rows beside it change nothing of it, and the row is not always the same.
        var others = prompt.clone();
        others.narrow(0, 1, 3).copy_(tensor(new long[] { 1, 1, 5, 5, 0, 3 }, [3, 2]));
        using var beside = Draws.Last(samplers[which](denoiser), others, 9, 9);
        Close.Check("beside others", one, beside.narrow(0, 0, 1));
        Assert.True(Enumerable.Range(10, 8).Any(seed =>
        {
            using var drawn = Draws.Last(samplers[which](denoiser), prompt.narrow(0, 0, 1), 9, (ulong)seed);
            return !drawn.Equals(one);
        }) || which is 6);
    }

    // A fresh network's output is zero, so that no token would matter to another.
    private static void Stir(LanguageModel network)
    {
        using var frozen = no_grad();
        using var random = new Generator(4);
        foreach (var parameter in network.parameters())
        {
            using var noise = randn(parameter.shape, ScalarType.Float64, generator: random);
            parameter.add_(noise.mul_(0.4));
        }
    }

    [Theory]
    [MemberData(nameof(Samplers))]
    public void The_ledger_equals_the_calls_that_were_made(int which)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var denoiser = Toy(random);
        var ledger = new CallLedger();
        using var last = Draws.Last(samplers[which](denoiser), zeros([2, 1], ScalarType.Int64), 7, 9, ledger);
        Assert.Equal(denoiser.CallCount + denoiser.HiddenCount, ledger.DenoiserForwards + ledger.NoiseRemovalForwards);
    }

    [Fact]
    public void The_sparse_sampler_draws_from_the_same_distribution_as_the_dense_one()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var denoiser = Toy(random);
        const long rows = 6000;
        double[] Shares(DiffusionSampler sampler, ulong seed)
        {
            using var last = Draws.Last(sampler, zeros([rows, 0], ScalarType.Int64), 2, seed);
            var counts = new double[36];
            foreach (var pair in HostValues.Read(last).Chunk(2))
                counts[pair[0] * 6 + pair[1]]++;
            return counts;
        }

        var options = new DiffusionSamplerOptions { StepCount = 4 };
        var (dense, sparse) = (Shares(new AncestralSampler(denoiser, options), 3), Shares(new SparseAncestralSampler(denoiser, options), 4));
        var chiSquare = dense.Zip(sparse).Where(pair => pair.First + pair.Second > 0).Sum(pair => Math.Pow(pair.First - pair.Second, 2) / (pair.First + pair.Second));
        Assert.InRange(chiSquare, 0, 66.6); // 35 degrees of freedom, p = 0.001
    }

    [Fact]
    public void The_sparse_sampler_matches_the_exact_distribution_of_a_masked_step()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(21);
        const long draws = 200_000;
        const int tokens = 6;
        var (table, schedule) = (randn([1, tokens + 1], ScalarType.Float64, generator: random), new LogLinearSchedule());
        var sampler = new SparseAncestralSampler(new SplitTableDenoiser(table, Mask), new DiffusionSamplerOptions { StepCount = 4, StopsWhenComplete = false });
        var probabilities = SubsParameterization.OfMasked(table, Mask).exp().data<double>().ToArray();
        var before = schedule.Alpha(1);
        var step = 0;
        var grids = sampler.Replay(full(draws, 1, Mask, ScalarType.Int64), 0, shape => rand(shape, ScalarType.Float64, generator: random));
        foreach (var grid in grids)
        {
            var counts = new double[tokens + 1];
            foreach (var token in HostValues.Read(grid))
                counts[token]++;
            grid.Dispose();
            // A position is revealed by the end of a step with probability 1 - (1 - alpha_s) / (1 - alpha_0), the masked share's fall.
            var revealed = step < 4 ? (schedule.Alpha(1 - (step + 1) * (1 - 1e-5) / 4) - before) / (1 - before) : 1;
            var expected = Enumerable.Range(0, tokens).Select(token => draws * revealed * probabilities[token]).Append(draws * (1 - revealed)).ToArray();
            var chiSquare = counts.Zip(expected).Where(pair => pair.Second > 1).Sum(pair => Math.Pow(pair.First - pair.Second, 2) / pair.Second);
            Assert.InRange(chiSquare, 0, 22.5); // 6 degrees of freedom, p = 0.001
            step++;
        }
        Assert.Equal(5, step);
    }

    [Fact]
    public void Confident_tokens_come_first_and_the_steps_suffice()
    {
        using var scope = NewDisposeScope();
        var table = zeros(6, 7, dtype: ScalarType.Float64);
        foreach (var (place, logit) in new[] { (1L, 9.0), (4L, 8.0), (5L, 2.0) })
            table[place, 3] = logit;
        var (ledger, seen) = (new CallLedger(), new List<long>());
        using var random = new Generator(1);
        var sampler = new ConfidenceSampler(new TableDenoiser(table, Mask), new ConfidenceSamplerOptions { StepCount = 3, Threshold = 0.9 });
        foreach (var grid in sampler.Sample(new SampleRequest(zeros([1, 0], ScalarType.Int64), 6) { Generators = [random] }, ledger))
        {
            if (seen.Count == 0)
                Assert.Equal([Mask, 3, Mask, Mask, 3, Mask], HostValues.Read(grid));
            seen.Add(grid.eq(Mask).sum().item<long>());
            grid.Dispose();
        }
        Assert.Equal([4, 2, 0], seen); // two are sure; then ceil(4 / 2) and ceil(2 / 1) of the surest
        Assert.Equal((3, 0), (ledger.DenoiserForwards, ledger.NoiseRemovalForwards));
    }

    [Theory]
    [InlineData(0.0, 0L)]
    [InlineData(1.0, 1L)]
    public void Truncation_keeps_the_likely_and_always_the_first(double topP, long expectedKept)
    {
        using var scope = NewDisposeScope();
        var lp = tensor([0.5, 0.3, 0.2]).log().view(1, 1, 3);
        var kept = DiffusionTruncation.Apply(lp, 1, topP).exp().gt(0).sum().item<long>();
        Assert.Equal(expectedKept == 0 ? 1 : 3, kept);
    }

    [Fact]
    public void Remasking_with_an_exact_posterior_keeps_the_share_of_clean_tokens()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(8);
        const long count = 40_000;
        var posterior = tensor([0.6, 0.4, 1.0]).log();
        posterior[2] = SubsParameterization.Impossible;
        var tokens = where(rand([count, 1], ScalarType.Float64, generator: random).lt(0.5), 2L, rand([count, 1], ScalarType.Float64, generator: random).gt(0.6).to(ScalarType.Int64)); // alpha_t = 0.5
        var isMasked = tokens.eq(2);
        var probabilities = SubsParameterization.Apply(posterior.expand(count, 1, 3), tokens, 2).exp();
        var sigma = RemaskingSteps.Sigma(RemaskingStrategy.Cap, 0.2, 0.5, 0.75, zeros([count, 1], ScalarType.Float64), isMasked);
        var next = CategoricalDraw.Sample(RemaskingSteps.Weights(probabilities, sigma, 0.5, 0.75, isMasked, 2), rand([count, 1, 3], ScalarType.Float64, generator: random));
        Assert.Equal(0.75, next.ne(2).to(ScalarType.Float64).mean().item<double>(), 0.0075);
        Assert.Equal(0.6 * 0.75, next.eq(0).to(ScalarType.Float64).mean().item<double>(), 0.0085);
    }

    [Theory]
    [InlineData(RemaskingStrategy.Cap)]
    [InlineData(RemaskingStrategy.Rescale)]
    [InlineData(RemaskingStrategy.Loop)]
    [InlineData(RemaskingStrategy.ForwardBackward)]
    public void Remasking_with_an_exact_posterior_keeps_every_marginal_of_a_whole_walk(RemaskingStrategy strategy)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(9);
        const long count = 20_000;
        var posterior = tensor([0.6, 0.4, 1.0]).log().view(1, 3).expand(2, 3); // independent positions: the posterior is the prior
        var options = new RemaskingSamplerOptions { StepCount = 10, Strategy = strategy, Eta = 0.3, EndTime = 0, LoopStart = 0.5, LoopEnd = 0.2, LoopShare = 0.8 };
        var sampler = new RemaskingSampler(new TableDenoiser(posterior, 2), options);
        var step = 0;
        foreach (var grid in sampler.Replay(full(count, 2, 2, ScalarType.Int64), 0, shape => rand(shape, ScalarType.Float64, generator: random)))
        {
            step++;
            var time = 1 - Math.Min(step, 10) / 10.0;
            var share = strategy != RemaskingStrategy.Loop ? 1 - time
                : time > 0.5 ? 0.8 * (1 - time) / 0.5
                : time > 0.19 ? 0.8
                : 1 - 0.2 * time / 0.2;
            var deviations = 3.5 * Math.Sqrt(0.25 / (2 * count)); // two positions a row
            var revealed = grid.ne(2).to(ScalarType.Float64).mean().item<double>();
            Assert.True(Math.Abs(revealed - share) <= deviations, $"{strategy}, step {step}: {revealed} revealed, {share} expected");
            Assert.Equal(0.6 * revealed, grid.eq(0).to(ScalarType.Float64).mean().item<double>(), deviations);
            grid.Dispose();
        }
    }

    [Theory]
    [InlineData(0.25, 0.375, 0.5)] // (0.375 - 0.25) / 0.25
    [InlineData(0.75, 0.875, 0.125 / 0.75)]
    [InlineData(0.8, 0.95, 0.05 / 0.8)] // no more than the masks that are left after the step
    [InlineData(0.9, 1, 0)] // the last step takes nothing back
    [InlineData(0.1, 0.35, 1)] // no more than all
    [InlineData(0, 0.1, 1)] // everything is masked: nothing bounds it
    public void Forward_backward_takes_back_the_rise_of_the_clean_share_whatever_eta(double before, double after, double expected)
    {
        using var scope = NewDisposeScope();
        var (confidence, isMasked) = (full([2, 3], 0.5, ScalarType.Float64), tensor(new[] { true, false, false, true, false, true }, [2, 3]));
        foreach (var eta in new[] { 0.0, 0.04, 1 })
        {
            var sigma = RemaskingSteps.Sigma(RemaskingStrategy.ForwardBackward, eta, before, after, confidence, isMasked);
            Close.Check($"sigma at eta {eta}", full([2, 3], expected, ScalarType.Float64), sigma, absolute: 1e-15);
            var weights = RemaskingSteps.Weights(full([2, 3, 4], 0.25, ScalarType.Float64), sigma, before, after, isMasked, 3);
            Assert.False(weights.lt(-1e-15).any().item<bool>());
        }
    }

    [Fact]
    public void Prompts_that_cannot_be_are_refused_by_place_and_value()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(2);
        var sampler = samplers[0](Toy(random));
        Assert.Contains("9 at row 0, column 1", Assert.Throws<ArgumentException>(() => sampler.Sample(tensor(new long[] { 0, 9 }, [1, 2]), 1)).Message, StringComparison.Ordinal);
        Assert.Contains("padding goes on the left", Assert.Throws<ArgumentException>(() => sampler.Sample(tensor(new long[] { 0, -1 }, [1, 2]), 1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => sampler.Sample(zeros(1, 2), 1));
        Assert.Throws<ArgumentException>(() => new SemiAutoregressiveSampler(Toy(random), new SemiAutoregressiveSamplerOptions { WindowLength = 2, StrideLength = 3 }));
        Assert.Throws<ArgumentException>(() => new RemaskingSampler(Toy(random), new RemaskingSamplerOptions { Strategy = RemaskingStrategy.Loop, LoopStart = 0.1, LoopEnd = 0.2 }));
    }

    private static SplitTableDenoiser Toy(Generator random) => new(randn([16, 7], ScalarType.Float64, generator: random), Mask);
}
