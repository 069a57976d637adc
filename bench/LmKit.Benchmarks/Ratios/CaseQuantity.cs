namespace LmKit.Benchmarks.Ratios;

/// <summary>What one process measures.</summary>
internal enum CaseQuantity
{
    /// <summary>The time of both sides, in turn.</summary>
    Time,

    /// <summary>The peak memory of the baseline alone.</summary>
    BaselineMemory,

    /// <summary>The peak memory of our side alone.</summary>
    OurMemory,
}
