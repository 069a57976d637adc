using System.ComponentModel.DataAnnotations;

namespace LmKit;

/// <summary>Options of the JumpReLU autoencoder.</summary>
public sealed class JumpReluOptions : SparseAutoencoderOptions
{
    /// <summary>Width w of the window in which thresholds learn. Default 0.05 (SAELens).</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double Bandwidth { get; set; } = 0.05;

    /// <summary>Threshold that every feature starts with. Default 0.01 (SAELens).</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double InitialThreshold { get; set; } = 0.01;

    /// <summary>Whose rules. Default SAELens.</summary>
    public JumpReluKind Kind { get; set; }

    /// <summary>What <see cref="SparseAutoencoderOptions.SparsityCoefficient"/> weighs. Default the step.</summary>
    public JumpReluPenalty Penalty { get; set; }

    /// <summary>Slope c of the tanh penalty. Default 4 (SAELens).</summary>
    [Range(double.Epsilon, double.MaxValue)]
    public double TanhScale { get; set; } = 4;

    /// <summary>Weight of relu(threshold - pre-activation) over dead features. Default 0.</summary>
    [Range(0.0, double.MaxValue)]
    public double PreActivationCoefficient { get; set; }
}

/// <summary>Whose straight-through rules a JumpReLU autoencoder follows.</summary>
public enum JumpReluKind
{
    /// <summary>SAELens: pre-activations jump, and the penalty counts them.</summary>
    SaeLens,

    /// <summary>Lee et al. 2025: rectified values jump, the penalty counts codes, and the gradient of the threshold is handed to
    /// its logarithm without the chain's factor.</summary>
    Rectified,
}

/// <summary>What the penalty of a JumpReLU autoencoder counts.</summary>
public enum JumpReluPenalty
{
    /// <summary>Active features, by a step function.</summary>
    Step,

    /// <summary>tanh(c a n), a smooth stand-in for activity.</summary>
    Tanh,
}
