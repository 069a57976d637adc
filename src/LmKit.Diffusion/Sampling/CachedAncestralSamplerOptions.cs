namespace LmKit;

/// <summary>Options of cached ancestral sampling.</summary>
public sealed class CachedAncestralSamplerOptions : DiffusionSamplerOptions
{
    /// <summary>Reveals by time alone, masked share t instead of 1 - alpha(t), as MDLM's cached sampler does. Default true; false is the
    /// rule of DUO and DiDi-Instruct.</summary>
    public bool RevealsByTime { get; set; } = true;
}
