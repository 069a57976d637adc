using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of drawing noise times for training and for the bound.</summary>
public sealed class TimeSamplingOptions
{
    /// <summary>One time in each of B equal strata of the batch (official option "antithetic_sampling"). Default true.</summary>
    public bool IsStratified { get; set; } = true;

    /// <summary>The smallest time (sampling_eps). Default 1e-3 (official code).</summary>
    [Range(0.0, 0.5)]
    public double MinTime { get; set; } = 1e-3;

    /// <summary>How times and weights are paired. Default the plain bound.</summary>
    public LossWeighting Weighting { get; set; }

    /// <summary>Steps T of the discrete-time bound; 0 is continuous time, the default.</summary>
    [Range(0, int.MaxValue)]
    public int DiscreteSteps { get; set; }
}
