using static TorchSharp.torch;

namespace LmKit.Benchmarks.Ratios;

/// <summary>One comparison of our code (B) with the plain libtorch composition (A).</summary>
/// <param name="Name">Unique, with the sizes that matter; the class that makes it is named XVersusY.</param>
/// <param name="Target">Smallest ratio to reach with the default allocator: baseline time / our time.</param>
/// <param name="TunedTarget">The same where large blocks are kept by the allocator, which helps libtorch's temporaries most.</param>
/// <param name="Prepare">Makes inputs and modules from the generator; called once per process, right before the case runs.</param>
internal sealed record RatioCase(string Name, double Target, double TunedTarget, Func<Generator, RatioSides> Prepare)
{
    /// <summary>Largest difference allowed, relative to the baseline's largest magnitude; the default suits float32.</summary>
    internal double Tolerance { get; init; } = 1e-4;

    /// <summary>False where the sides are different models, or one of them only sets a mark: then only the shapes of their results are compared.</summary>
    internal bool IsSameComputation { get; init; } = true;

    /// <summary>True where the sides differ in threads: processor time cannot tell them apart, so the clock alone is held to the target.</summary>
    internal bool CountsWallOnly { get; init; }

    /// <summary>Processors that the process must have; with fewer the case is skipped.</summary>
    internal int LeastProcessors { get; init; } = 1;

    /// <summary>Says why the case cannot run on this machine, or null if it can; null where nothing can hinder it.</summary>
    internal Func<string?>? Hindrance { get; init; }

    /// <summary>True where both sides are to take fresh memory in every call: freed blocks go back to the system at once, and there is no tuned run.</summary>
    internal bool IsFresh { get; init; }

    /// <summary>True for checks of the runner itself: they run only when a filter asks for them.</summary>
    internal bool OnlyWhenNamed { get; init; }
}
