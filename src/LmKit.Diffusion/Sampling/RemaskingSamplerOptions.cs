using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of remasking sampling (ReMDM).</summary>
public sealed class RemaskingSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>How much is taken back. Default cap.</summary>
    public RemaskingStrategy Strategy { get; set; }

    /// <summary>eta, the probability of remasking; not used by confidence and forward_backward. Default 0.04.</summary>
    [Range(0.0, 1.0)]
    public double Eta { get; set; } = 0.04;

    /// <summary>t_on: the loop starts at this time. Default 0.55.</summary>
    [Range(0.0, 1.0)]
    public double LoopStart { get; set; } = 0.55;

    /// <summary>t_off: the loop ends at this time. Default 0.05.</summary>
    [Range(0.0, 1.0)]
    public double LoopEnd { get; set; } = 0.05;

    /// <summary>alpha_on: the clean share during the loop. Default 0.9.</summary>
    [Range(0.0, 1.0)]
    public double LoopShare { get; set; } = 0.9;
}
