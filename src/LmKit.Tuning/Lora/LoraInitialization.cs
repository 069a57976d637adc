namespace LmKit;

/// <summary>How the factors of an adapter start; a fresh adapter changes nothing, since B A = 0.</summary>
public enum LoraInitialization
{
    /// <summary>A from U(-1/sqrt(I), 1/sqrt(I)), B zero: PEFT's default.</summary>
    KaimingUniform,

    /// <summary>A from N(0, 1/r^2), or of <see cref="LoraOptions.InitializationDeviation"/>; B zero.</summary>
    Gaussian,

    /// <summary>Both random in orthogonal halves of the r dimensions, so that B A = 0 up to rounding; r must be even.</summary>
    Orthogonal,
}
