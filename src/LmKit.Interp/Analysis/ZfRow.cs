namespace LmKit;

/// <summary>One input of a ZF plot.</summary>
/// <param name="Layer">The layer it was read at.</param>
/// <param name="InputNorm">|z|.</param>
/// <param name="CodeNorm">|f~|: codes rescaled to unit atoms, the bias as one more feature.</param>
/// <param name="OutputNorm">|z^|.</param>
/// <param name="SquaredError">|z - z^|^2.</param>
/// <param name="LowerBound">eps_LBO with h features; NaN or infinite for an empty code.</param>
/// <param name="NormalizedError">|z - z^|^2 / |z|^2; NaN for a zero input.</param>
public sealed record ZfRow(int Layer, double InputNorm, double CodeNorm, double OutputNorm, double SquaredError, double LowerBound, double NormalizedError)
{
    /// <summary>Whether the code is smaller than the input.</summary>
    public bool IsUnderActivated => CodeNorm < InputNorm;
}
