using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>One comparison of the peak memory of our code with that of another form of the same computation.</summary>
/// <param name="Name">Unique, with the sizes that matter.</param>
/// <param name="Target">Smallest ratio to reach: the baseline's peak / ours.</param>
/// <param name="Prepare">Makes inputs and modules from the generator.</param>
/// <param name="PrepareSmall">Makes the same at a small size: run first, so that libraries, compiled code and plans are not counted.</param>
internal sealed record MemoryCase(string Name, double Target, Func<Generator, RatioSides> Prepare, Func<Generator, RatioSides> PrepareSmall)
{
    /// <summary>Largest difference allowed, relative to the baseline's largest magnitude; the default suits float32.</summary>
    internal double Tolerance { get; init; } = 1e-4;

    /// <summary>False where the sides give nothing to compare.</summary>
    internal bool IsSameComputation { get; init; } = true;

    /// <summary>True where pages of mapped files do not count, which the system takes back when it needs them.</summary>
    internal bool IsAnonymous { get; init; }

    /// <summary>True for checks of the runner itself: they run only when a filter asks for them.</summary>
    internal bool OnlyWhenNamed { get; init; }
}
