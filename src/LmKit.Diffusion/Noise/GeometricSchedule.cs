namespace LmKit;

/// <summary>sigma(t) = sigma_min^(1 - t) sigma_max^t.</summary>
/// <param name="sigmaMin">Noise at t = 0.</param>
/// <param name="sigmaMax">Noise at t = 1.</param>
public sealed class GeometricSchedule(double sigmaMin = 1e-3, double sigmaMax = 1) : NoiseSchedule
{
    private readonly (double Min, double Max) range = CheckRange(sigmaMin, sigmaMax);

    /// <inheritdoc/>
    public override double Sigma(double t) => Math.Pow(range.Min, 1 - t) * Math.Pow(range.Max, t);

    /// <inheritdoc/>
    public override double SigmaRate(double t) => Sigma(t) * Math.Log(range.Max / range.Min);

    /// <inheritdoc/>
    public override double? TimeOf(double sigma) => Math.Log(sigma / range.Min) / Math.Log(range.Max / range.Min);
}
