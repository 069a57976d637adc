namespace LmKit;

/// <summary>Which norm an AFA selection or loss wants codes to reach.</summary>
public enum AfaTarget
{
    /// <summary>|x - b_dec|.</summary>
    CentredInput,

    /// <summary>|x|.</summary>
    Input,

    /// <summary>The norm of what all rectified features together rebuild, |relu(p) W_dec|.</summary>
    Reconstructed,
}
