using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of reward-guided ancestral sampling (RGAS); defaults are what helps small models: re-ranking without tilting.</summary>
public sealed class RewardGuidedSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>rho, the share of steps at the end that choose among candidates; the steps before tilt. Default 0.5.</summary>
    [Range(0.0, 1.0)]
    public double RerankingShare { get; set; } = 0.5;

    /// <summary>M, the candidates of such a step. Default 4.</summary>
    [Range(1, 10_000)]
    public int CandidateCount { get; set; } = 4;

    /// <summary>h at the first tilting step. Default 0, no tilting (released settings: 30).</summary>
    public double TiltStart { get; set; }

    /// <summary>h at the last tilting step. Default 0 (released settings: 40).</summary>
    public double TiltEnd { get; set; }

    /// <summary>Works on raw outputs under the true noise level, as the evaluation release does, instead of on SUBS log-probabilities
    /// under the level that the network was trained on. Default false.</summary>
    public bool UsesRawOutputs { get; set; }
}
