using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Diffusion.Tests;

/// <summary>The policy gradient of a two-step generator small enough to be enumerated: two positions, two tokens and the mask.</summary>
[NoTensorLeak]
public class ScoreFunctionTests
{
    private const int Mask = 2;
    private const double Clean = 0.5; // alpha at the middle of the walk, where samples are corrupted too
    private const int Batches = 20;
    private const int BatchSize = 5000;
    private const double Deviations = 3;

    private static readonly (int First, int Second)[] states = [.. from first in Enumerable.Range(0, 3) from second in Enumerable.Range(0, 3) select (first, second)];

    [Fact]
    public void The_policy_gradient_of_two_steps_is_the_enumerated_gradient_of_the_divergence()
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(5);
        var student = randn([9, 2, 3], ScalarType.Float64, generator: random).requires_grad_(); // logits by state, place, token
        var target = Corrupted(randn([9, 2, 3], ScalarType.Float64, generator: random));
        var own = Corrupted(student);
        (own * (own.log() - target.log())).sum().backward();
        var expected = student.grad!.clone();
        var reward = (target.log() - own.log()).detach(); // the discriminator's exact log-ratio

        var gradients = new List<Tensor>();
        for (var batch = 0; batch < Batches; batch++)
        {
            student.grad!.zero_();
            Loss(student, reward, random).backward();
            gradients.Add(student.grad!.clone());
        }
        var drawn = stack(gradients);
        var error = drawn.std(0) / Math.Sqrt(Batches) * Deviations + 1e-9;

        Assert.True(expected.abs().max().item<double>() > 0.01);
        Assert.True((drawn.mean([0L]) - expected).abs().le(error).all().ToBoolean(), $"{(drawn.mean([0L]) - expected).abs().div(error).max().item<double>() * Deviations} standard errors");
    }

    private static Tensor Loss(Tensor table, Tensor reward, Generator random)
    {
        var tokens = full(BatchSize, 2, Mask, ScalarType.Int64);
        var total = zeros(BatchSize, ScalarType.Float64);
        foreach (var (before, after) in new[] { (0.0, Clean), (Clean, 1.0) })
        {
            var logProbabilities = SubsParameterization.Apply(table.index_select(0, State(tokens)), tokens, Mask);
            var draw = ScoredDraw.Of(logProbabilities, tokens, full(1, 1, before, ScalarType.Float64), full(1, 1, after, ScalarType.Float64), Mask, Uniforms(3));
            (tokens, total) = (draw.Tokens, total + draw.LogProbability);
        }
        var corrupted = MaskingProcess.Corrupt(tokens, full(BatchSize, 1 - Clean, ScalarType.Float64), Mask, Uniforms());
        return DistillationLosses.PolicyGradient(ones(BatchSize, ScalarType.Float64), reward.index_select(0, State(corrupted)), total);

        Tensor Uniforms(params long[] width) => rand([BatchSize, 2, .. width], ScalarType.Float64, generator: random);
    }

    private static Tensor State(Tensor tokens) => tokens.select(1, 0) * 3 + tokens.select(1, 1);

    /// <summary>The distribution (9) of corrupted samples, in the order of the states.</summary>
    private static Tensor Corrupted(Tensor table)
    {
        var revealed = table.narrow(2, 0, Mask).log_softmax(-1).exp(); // (9, 2, 2)
        var samples = new Dictionary<(int, int), Tensor>();
        foreach (var middle in states)
        {
            var reached = Reach(middle.First, 0) * Reach(middle.Second, 1);
            foreach (var sample in states.Where(state => state.First != Mask && state.Second != Mask))
            {
                var here = middle.First * 3 + middle.Second;
                var term = reached * Fill(here, 0, middle.First, sample.First) * Fill(here, 1, middle.Second, sample.Second);
                samples[sample] = samples.TryGetValue(sample, out var sum) ? sum + term : term;
            }
        }
        return stack(states.Select(state => samples.Select(pair => pair.Value * (Keep(state.First, pair.Key.Item1) * Keep(state.Second, pair.Key.Item2))).Aggregate((a, b) => a + b)));

        Tensor Reach(int token, int place) => token == Mask ? tensor(1 - Clean, ScalarType.Float64) : revealed[8, place, token] * Clean;
        Tensor Fill(int state, int place, int now, int then) => now == Mask ? revealed[state, place, then] : tensor(now == then ? 1.0 : 0.0, ScalarType.Float64);
        static double Keep(int corrupted, int clean) => corrupted == Mask ? 1 - Clean : corrupted == clean ? Clean : 0;
    }
}
