namespace LmKit;

/// <summary>How encoder and decoder start.</summary>
public enum AutoencoderInitialization
{
    /// <summary>Random unit decoder rows; the encoder is their transpose.</summary>
    Tied,

    /// <summary>Lee et al. 2025: a uniform encoder with bound sqrt(6 / F); decoder rows are its columns scaled to norm 1.</summary>
    ScaledEncoder,
}
