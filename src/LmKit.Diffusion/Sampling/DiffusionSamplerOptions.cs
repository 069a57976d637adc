using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options that the diffusion samplers share.</summary>
public class DiffusionSamplerOptions
{
    /// <summary>Token id of the mask, needed where a configuration makes the sampler of a language model, since it is not always the last
    /// id. A denoiser that is given brings its own, and no other is taken beside it. Default null.</summary>
    [Range(0L, long.MaxValue)]
    public long? MaskId { get; set; }

    /// <summary>Steps N of the time grid: at most so many network calls. Default 64.</summary>
    [Range(1, 1_000_000)]
    public int StepCount { get; set; } = 64;

    /// <summary>Where the grid ends. Default 1e-5 (official code).</summary>
    [Range(0.0, 0.5)]
    public double EndTime { get; set; } = 1e-5;

    /// <summary>What becomes of what is still masked then. Default greedy (MDLM).</summary>
    public NoiseRemoval NoiseRemoval { get; set; }

    /// <summary>Divides the log-probabilities. Default 1.</summary>
    [Range(0.001, 1000.0)]
    public double Temperature { get; set; } = 1;

    /// <summary>Keeps tokens whose cumulative probability stays within p, the first always; 1 keeps all, the default.</summary>
    [Range(0.0, 1.0)]
    public double TopP { get; set; } = 1;

    /// <summary>Ends the walk when nothing is masked any more, which changes no sample. Default true; false makes every step's call,
    /// as the official code does.</summary>
    public bool StopsWhenComplete { get; set; } = true;

    /// <summary>Draws with float32 uniforms, as the official code does, instead of float64. Default false.</summary>
    public bool UsesSingleUniforms { get; set; }

    internal DiffusionSamplerOptions Copy() => (DiffusionSamplerOptions)MemberwiseClone();
}

/// <summary>What becomes of positions that are still masked after the last step.</summary>
public enum NoiseRemoval
{
    /// <summary>The most likely token (MDLM); lowers entropy a little.</summary>
    Greedy,

    /// <summary>One more draw (DUO and DiDi-Instruct call it ancestral).</summary>
    Ancestral,

    /// <summary>They stay masked.</summary>
    None,
}

/// <summary>Options of cached ancestral sampling.</summary>
public sealed class CachedAncestralSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Reveals by time alone, masked share t instead of 1 - alpha(t), as MDLM's cached sampler does. Default true; false is the
    /// rule of DUO and DiDi-Instruct.</summary>
    public bool RevealsByTime { get; set; } = true;
}

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

/// <summary>Options of semi-autoregressive sampling.</summary>
public sealed class SemiAutoregressiveSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Columns of a window: the length the network was trained on. Default 1024.</summary>
    [Range(1, 10_000_000)]
    public int WindowLength { get; set; } = 1024;

    /// <summary>Columns that each window adds to the one before. Default 512.</summary>
    [Range(1, 10_000_000)]
    public int StrideLength { get; set; } = 512;
}

/// <summary>Options of confidence-threshold decoding; defaults are Fast-dLLM's.</summary>
public sealed class ConfidenceSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Tokens with more than this probability are revealed at once; 1 reveals evenly over the steps. Default 0.9.</summary>
    [Range(0.0, 1.0)]
    public double Threshold { get; set; } = 0.9;

    /// <summary>Draws each candidate instead of taking the most likely token. Default false.</summary>
    public bool IsDrawn { get; set; }
}
