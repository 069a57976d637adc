using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The runner's checks of itself: the same composition on both sides, so every ratio must come out near 1, and sides that
/// disagree, which must get none.</summary>
internal static class IdentityVersusIdentity
{
    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new("SelfCheck: identity vs identity", Target: 0.8, TunedTarget: 0.8, Prepare) { OnlyWhenNamed = true },   // 1.0 less the noise of a shared machine
        new("Disagreement on purpose: ones vs twos", Target: 1, TunedTarget: 1, _ => new RatioSides(() => [ones(2)], () => [ones(2) * 2])) { OnlyWhenNamed = true },
    ];

    internal static IReadOnlyList<MemoryCase> MemoryCases { get; } =
    [
        new("SelfCheck: identity vs identity", Target: 0.8, random => Prepare(random, 16_384), Prepare) { OnlyWhenNamed = true },
    ];

    private static RatioSides Prepare(Generator random) => Prepare(random, 64);

    private static RatioSides Prepare(Generator random, long rows)
    {
        var weight = randn(256, 256, generator: random);
        var input = randn(rows, 256, generator: random);
        Tensor[] Project() => [nn.functional.linear(input, weight)];
        return new RatioSides(Project, Project, weight, input);
    }
}
