namespace LmKit;

/// <summary>What the penalty of a JumpReLU autoencoder counts.</summary>
public enum JumpReluPenalty
{
    /// <summary>Active features, by a step function.</summary>
    Step,

    /// <summary>tanh(c a n), a smooth stand-in for activity.</summary>
    Tanh,
}
