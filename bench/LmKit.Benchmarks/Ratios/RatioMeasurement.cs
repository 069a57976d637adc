using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Runs one case: agreement first, then a warm-up, then both sides in turn, so that a change of load meets both.</summary>
internal static class RatioMeasurement
{
    private const int mostRounds = 11;
    private const int fewestRounds = 5;
    private const double roundsSeconds = 2.5;     // slow calls get fewer rounds
    private const int warmUpCalls = 5;
    private const double warmUpSeconds = 0.5;     // enough for the runtime to replace first-tier code
    private const double longWarmUpSeconds = 1.5; // enough of slow calls, however few
    private const double blockSeconds = 0.02;     // well above the clocks' resolution
    private const long seed = 20_240_229;

    /// <exception cref="RatioDisagreementException">The sides compute different results.</exception>
    internal static RatioResult Run(RatioCase one, bool isTuned)
    {
        using var random = new Generator(seed);
        using var sides = one.Prepare(random);
        RequireAgreement(one, sides);
        var (baselineCalls, oursCalls, rounds) = WarmUp(sides);

        var baseline = new List<CallTime>();
        var ours = new List<CallTime>();
        for (var round = 0; round < rounds; round++)
        {
            if (round % 2 == 0)
                baseline.Add(CallTime.Measure(sides.Baseline, baselineCalls));

            ours.Add(CallTime.Measure(sides.Ours, oursCalls));
            if (round % 2 == 1)
                baseline.Add(CallTime.Measure(sides.Baseline, baselineCalls));
        }

        return new RatioResult(one.Name, isTuned, CallTime.MedianOf(baseline), CallTime.MedianOf(ours), isTuned ? one.TunedTarget : one.Target) { CountsWallOnly = one.CountsWallOnly };
    }

    private static void RequireAgreement(RatioCase one, RatioSides sides)
    {
        using var scope = NewDisposeScope();
        if (RatioAgreement.Difference(sides.Baseline(), sides.Ours(), one.IsSameComputation ? one.Tolerance : double.PositiveInfinity) is { } difference)
            throw new RatioDisagreementException($"{one.Name}: the two sides disagree, so no ratio is given: {difference}.");
    }

    // Returns how many calls of each side fill a block, and how many blocks to measure.
    private static (int Baseline, int Ours, int Rounds) WarmUp(RatioSides sides)
    {
        var baseline = new List<CallTime>();
        var ours = new List<CallTime>();
        for (double seconds = 0; seconds < warmUpSeconds || (baseline.Count < warmUpCalls && seconds < longWarmUpSeconds);)
        {
            baseline.Add(CallTime.Measure(sides.Baseline, 1));
            ours.Add(CallTime.Measure(sides.Ours, 1));
            seconds += baseline[^1].Wall + ours[^1].Wall;
        }

        var pair = CallTime.MedianOf(baseline).Wall + CallTime.MedianOf(ours).Wall;
        return (CallsPerBlock(baseline), CallsPerBlock(ours), (int)Math.Clamp(roundsSeconds / pair, fewestRounds, mostRounds));
    }

    private static int CallsPerBlock(IReadOnlyCollection<CallTime> times) =>
        Math.Max(1, (int)Math.Ceiling(blockSeconds / Math.Max(CallTime.MedianOf(times).Wall, 1e-7)));
}
