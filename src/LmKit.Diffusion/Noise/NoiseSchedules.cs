namespace LmKit;

/// <summary>sigma(t) = -ln(1 - (1 - eps) t), so alpha(t) = 1 - (1 - eps) t: the default of masked diffusion.</summary>
/// <param name="epsilon">What is left clean at t = 1; 1e-3 in the official code.</param>
public sealed class LogLinearSchedule(double epsilon = 1e-3) : NoiseSchedule
{
    private readonly double epsilon = CheckEpsilon(epsilon);

    /// <inheritdoc/>
    public override double Sigma(double t) => -double.LogP1(-(1 - epsilon) * t);

    /// <inheritdoc/>
    public override double SigmaRate(double t) => (1 - epsilon) / (1 - (1 - epsilon) * t);

    /// <inheritdoc/>
    public override double Alpha(double t) => 1 - (1 - epsilon) * t;

    /// <inheritdoc/>
    public override double SigmaMin => epsilon + Sigma(0);

    /// <inheritdoc/>
    public override double? TimeOf(double sigma) => -double.ExpM1(-sigma) / (1 - epsilon);
}

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

/// <summary>sigma(t) = -ln(eps + (1 - eps) cos(pi t / 2)).</summary>
/// <param name="epsilon">What is left clean at t = 1; 1e-3 in the official code.</param>
public sealed class CosineNoiseSchedule(double epsilon = 1e-3) : NoiseSchedule
{
    private readonly double epsilon = CheckEpsilon(epsilon);

    /// <inheritdoc/>
    public override double Sigma(double t) => -Math.Log(Alpha(t));

    /// <inheritdoc/>
    public override double SigmaRate(double t) => Math.PI / 2 * (1 - epsilon) * Math.Sin(Math.PI * t / 2) / Alpha(t);

    /// <inheritdoc/>
    public override double Alpha(double t) => epsilon + (1 - epsilon) * Math.Cos(Math.PI * t / 2);
}

/// <summary>sigma(t) = -ln(eps + (1 - eps) cos^2(pi t / 2)).</summary>
/// <param name="epsilon">What is left clean at t = 1; 1e-3 in the official code.</param>
public sealed class CosineSquaredSchedule(double epsilon = 1e-3) : NoiseSchedule
{
    private readonly double epsilon = CheckEpsilon(epsilon);

    /// <inheritdoc/>
    public override double Sigma(double t) => -Math.Log(Alpha(t));

    /// <inheritdoc/>
    public override double SigmaRate(double t) => Math.PI / 2 * (1 - epsilon) * Math.Sin(Math.PI * t) / Alpha(t);

    /// <inheritdoc/>
    public override double Alpha(double t)
    {
        var cosine = Math.Cos(Math.PI * t / 2);
        return epsilon + (1 - epsilon) * cosine * cosine;
    }
}

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
