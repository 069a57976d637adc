using LmKit.Benchmarks.Ratios;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>The kernel of a diagonal state space from two small tables of powers, against every power as a complex exponential; both
/// recorded for training, where neither is kept.</summary>
internal static class DiagonalKernelVersusNaivePowers
{
    private const long heads = 256;
    private const long stateDim = 64;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        new($"Diagonal kernel vs naive complex powers: H={heads} N={stateDim} L=2048", Target: 12, TunedTarget: 12, random => Prepare(random, 2048)),
    ];

    private static RatioSides Prepare(Generator random, long length)
    {
        var ssm = new DiagonalSsm(new DiagonalSsmOptions(stateDim), heads, new ParameterFactory(random));
        var weights = ssm.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
        return new RatioSides(() => [H3LayerVersusPlainComposition.DiagonalKernel(weights, "", length)], () => [ssm.Kernel(length)], ssm);
    }
}
