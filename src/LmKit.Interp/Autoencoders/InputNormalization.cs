namespace LmKit;

/// <summary>What a dictionary does to each row of activations before it encodes it.</summary>
/// <remarks>Scalar and mean normalisations are not here: <see cref="ActivationScale"/> is folded into the weights.</remarks>
public enum InputNormalization
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>Subtract the row's mean, divide by its standard deviation (of d - 1) plus 1e-5; undone without the 1e-5.</summary>
    PerRowStandardize,

    /// <summary>Scale the row to norm sqrt(d); a zero row stays as it is.</summary>
    ConstantNorm,
}
