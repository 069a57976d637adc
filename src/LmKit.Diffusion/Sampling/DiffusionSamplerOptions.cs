using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options that the diffusion samplers share.</summary>
public class DiffusionSamplerOptions
{
    /// <summary>Token id of the mask, needed where a configuration makes the sampler of a language model, since it is not always the last
    /// id; a denoiser that is given brings its own. Default null.</summary>
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
}
