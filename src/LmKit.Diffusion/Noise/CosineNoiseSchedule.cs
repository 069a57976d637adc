namespace LmKit;

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
