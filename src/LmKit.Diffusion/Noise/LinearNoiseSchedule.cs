namespace LmKit;

/// <summary>sigma(t) = sigma_min + t (sigma_max - sigma_min).</summary>
/// <param name="sigmaMin">Noise at t = 0; 1e-3 in the official configuration.</param>
/// <param name="sigmaMax">Noise at t = 1; 7 in the official configuration.</param>
public sealed class LinearNoiseSchedule(double sigmaMin = 1e-3, double sigmaMax = 7) : NoiseSchedule
{
    private readonly (double Min, double Max) range = CheckRange(sigmaMin, sigmaMax);

    /// <inheritdoc/>
    public override double Sigma(double t) => range.Min + t * (range.Max - range.Min);

    /// <inheritdoc/>
    public override double SigmaRate(double t) => range.Max - range.Min;

    /// <inheritdoc/>
    public override double SigmaMin => range.Min;

    /// <inheritdoc/>
    public override double SigmaMax => range.Max;

    /// <inheritdoc/>
    public override double? TimeOf(double sigma) => (sigma - range.Min) / (range.Max - range.Min);
}
