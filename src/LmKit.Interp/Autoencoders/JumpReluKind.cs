namespace LmKit;

/// <summary>Whose straight-through rules a JumpReLU autoencoder follows.</summary>
public enum JumpReluKind
{
    /// <summary>SAELens: pre-activations jump, and the penalty counts them.</summary>
    SaeLens,

    /// <summary>Lee et al. 2025: rectified values jump, the penalty counts codes, and the gradient of the threshold is handed to
    /// its logarithm without the chain's factor.</summary>
    Rectified,
}
