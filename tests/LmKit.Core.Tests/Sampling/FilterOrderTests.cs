using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The order of the sampler's filters: penalties, temperature, top-k, top-p, min-p.</summary>
[NoTensorLeak]
public sealed class FilterOrderTests
{
    private const int Stages = 5;
    private const int Rows = 400;
    private const int Steps = 3;

    [Fact]
    public void The_sampler_draws_as_the_filters_do_in_their_documented_order()
    {
        foreach (var scene in Scenes())
            Assert.Equal(Draws(scene, new AutoregressiveSamplerOptions(), scene.Filters), Draws(scene, scene.Options, []));
    }

    // Without this the test above could not fail.
    [Fact]
    public void Any_two_filters_swapped_would_draw_otherwise()
    {
        for (var first = 0; first < Stages; first++)
        {
            for (var second = first + 1; second < Stages; second++)
            {
                var isSeen = Scenes().Any(scene =>
                {
                    var swapped = scene.Filters.ToArray();
                    (swapped[first], swapped[second]) = (swapped[second], swapped[first]);
                    return !Draws(scene, new(), scene.Filters).SequenceEqual(Draws(scene, new(), swapped));
                });
                Assert.True(isSeen, $"Stages {first} and {second} may change places unseen.");
            }
        }
    }

    private static IEnumerable<Scene> Scenes()
    {
        double[] shares = [0.26, 0.22, 0.16, 0.14, 0.12, 0.10];
        double[] logits = [.. shares.Select(share => 4 + Math.Log(share))];
        yield return new Scene(logits, new() { RepetitionPenalty = 1.3, FrequencyPenalty = 0.4, PresencePenalty = 0.3, Temperature = 1.7, TopK = 5, TopP = 0.6, MinP = 0.6 });
        yield return new Scene(logits, new() { RepetitionPenalty = 1.2, FrequencyPenalty = 0.4, PresencePenalty = 0.3, Temperature = 0.5, TopK = 3, TopP = 0.7, MinP = 0.5 });
        yield return new Scene(logits, new() { RepetitionPenalty = 1.1, FrequencyPenalty = 0.8, PresencePenalty = 0.5, Temperature = 0.5, TopK = 5, TopP = 0.95, MinP = 0.02 });
        yield return Tie();
    }

    // Top-k keeps what is tied with the last of its tokens; two neighbouring numbers become one by dividing them, not before.
    private static Scene Tie()
    {
        using var scope = NewDisposeScope();
        for (var temperature = 1.5; temperature < 4; temperature += 0.125)
        {
            for (var start = 1.5f; start < 8; start += 0.37f)
            {
                float[] pair = [start, MathF.BitIncrement(start)];
                using var inner = NewDisposeScope();
                var divided = Temperature.Filter(temperature)(tensor(new[] { 10, pair[0], pair[1] }, [1, 3]), zeros(1, 1, dtype: ScalarType.Int64), 1);
                if (divided.dtype == ScalarType.Float32 && divided[0, 1].item<float>() == divided[0, 2].item<float>())
                    return new Scene([10, pair[0], pair[1]], new() { Temperature = temperature, TopK = 2 });
            }
        }
        throw new InvalidOperationException("No two neighbouring numbers become one.");
    }

    private static long[] Draws(Scene scene, AutoregressiveSamplerOptions options, LogitFilter[] filters)
    {
        using var scope = NewDisposeScope();
        using var model = new FixedModel(scene.Logits);
        using var random = new Generator(11);
        var prompt = arange(Rows, dtype: ScalarType.Int64).remainder(scene.Logits.Length).view(Rows, 1);
        var grids = new AutoregressiveSampler(model, options, filters).Sample(prompt, Steps, random).ToArray();
        var drawn = HostValues.Read(grids[^1]);
        Array.ForEach(grids, grid => grid.Dispose());
        return drawn;
    }

    private sealed record Scene(double[] Logits, AutoregressiveSamplerOptions Options)
    {
        internal LogitFilter[] Filters =>
        [
            Penalties(),
            Temperature.Filter(Options.Temperature),
            Options.TopK > 0 ? TopK.Filter(Options.TopK) : Same,
            Options.TopP < 1 ? TopP.Filter(Options.TopP) : Same,
            Options.MinP > 0 ? MinP.Filter(Options.MinP) : Same,
        ];

        private LogitFilter Penalties()
        {
            var (repetition, counted) = (RepetitionPenalty.Filter(Options.RepetitionPenalty), RepetitionPenalty.Filter(Options.FrequencyPenalty, Options.PresencePenalty));
            return (logits, tokens, promptLength) => counted(repetition(logits, tokens, promptLength), tokens, promptLength);
        }

        private static Tensor Same(Tensor logits, Tensor tokens, long promptLength) => logits.alias();
    }
}
