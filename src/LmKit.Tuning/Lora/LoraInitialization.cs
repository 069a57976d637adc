namespace LmKit;

/// <summary>How the factor A of an adapter starts; B always starts at zero, so a fresh adapter changes nothing.</summary>
public enum LoraInitialization
{
    /// <summary>U(-1/sqrt(I), 1/sqrt(I)), PEFT's default.</summary>
    KaimingUniform,

    /// <summary>N(0, 1/r^2).</summary>
    Gaussian,
}
