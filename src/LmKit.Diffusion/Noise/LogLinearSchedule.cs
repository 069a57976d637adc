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
