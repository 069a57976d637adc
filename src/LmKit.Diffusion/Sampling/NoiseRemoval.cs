namespace LmKit;

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
