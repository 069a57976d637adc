using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>Measures the peak memory of one side's first call at full size.</summary>
internal static class MemoryMeasurement
{
    private const long seed = 20_240_229;

    /// <summary>Bytes above those resident before the call.</summary>
    /// <exception cref="RatioDisagreementException">The sides compute different results.</exception>
    internal static long Run(MemoryCase one, CaseQuantity quantity)
    {
        var isOurs = quantity == CaseQuantity.OurMemory;
        using (var random = new Generator(seed))
        using (var small = one.PrepareSmall(random))
        using (NewDisposeScope())
            _ = isOurs ? small.Ours() : small.Baseline();

        using var scope = NewDisposeScope();
        using var generator = new Generator(seed);
        using var sides = one.Prepare(generator);
        Tensor[] results = [];
        void Call() => results = isOurs ? sides.Ours() : sides.Baseline();
        var bytes = one.IsAnonymous ? PeakMemory.OfAnonymous(Call) : PeakMemory.Of(Call);

        // The other side comes after the figure is taken; checking once is enough.
        if (isOurs && one.IsSameComputation && RatioAgreement.Difference(sides.Baseline(), results, one.Tolerance) is { } difference)
            throw new RatioDisagreementException($"{one.Name}: the two sides disagree, so no ratio is given: {difference}.");

        return bytes;
    }
}
