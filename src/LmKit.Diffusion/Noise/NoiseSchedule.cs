using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How fast tokens are masked: alpha(t) = exp(-sigma(t)) is the probability that a token is still clean at time t.</summary>
/// <remarks>Time runs from 0 (clean) to 1 (masked). A schedule of one's own gives <see cref="Sigma"/> and <see cref="SigmaRate"/>;
/// <see cref="CheckRate"/> compares the two. Pure and thread-safe.</remarks>
public abstract class NoiseSchedule
{
    /// <summary>The total noise sigma(t).</summary>
    public abstract double Sigma(double t);

    /// <summary>Its derivative d sigma / dt.</summary>
    public abstract double SigmaRate(double t);

    /// <summary>The probability that a token is still clean.</summary>
    public virtual double Alpha(double t) => Math.Exp(-Sigma(t));

    /// <summary>The smallest total noise that importance sampling reckons with.</summary>
    public virtual double SigmaMin => Sigma(0);

    /// <summary>The largest total noise.</summary>
    public virtual double SigmaMax => Sigma(1);

    /// <summary>The time at which the total noise is sigma; null where the schedule has no closed form.</summary>
    public virtual double? TimeOf(double sigma) => null;

    /// <summary>ln(1 - exp(-SigmaMin)) and ln(1 - exp(-SigmaMax)): the ends f_0 and f_T of the change of variables.</summary>
    internal (double Start, double End) LogMaskedRange() => (double.LogP1(-Math.Exp(-SigmaMin)), double.LogP1(-Math.Exp(-SigmaMax)));

    /// <summary>Maps uniform times to those that importance sampling draws, so that the loss weight is constant.</summary>
    /// <exception cref="NotSupportedException">The schedule cannot tell the time of a noise level.</exception>
    public double ImportanceTime(double t)
    {
        var (start, end) = LogMaskedRange();
        var sigma = -double.LogP1(-Math.Exp(t * end + (1 - t) * start));
        return TimeOf(sigma) ?? throw new NotSupportedException($"{GetType().Name} has no inverse, so importance sampling cannot use it; use ChangeOfVariables or override TimeOf.");
    }

    /// <summary>The same function of every entry of a tensor of times, in float64 on the times' device.</summary>
    public static Tensor Map(Tensor times, Func<double, double> function)
    {
        ArgumentNullException.ThrowIfNull(times);
        ArgumentNullException.ThrowIfNull(function);
        using var scope = NewDisposeScope();
        var values = times.detach().cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray();
        return tensor([.. values.Select(function)], times.shape, dtype: ScalarType.Float64, device: times.device).MoveToOuterDisposeScope();
    }

    /// <summary>The largest relative difference between <see cref="SigmaRate"/> and a central difference of <see cref="Sigma"/>.</summary>
    public double CheckRate(int points = 32)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(points);
        const double step = 1e-6;
        return Enumerable.Range(1, points).Select(k => (double)k / (points + 1)).Max(t =>
        {
            var numeric = (Sigma(t + step) - Sigma(t - step)) / (2 * step);
            return Math.Abs(numeric - SigmaRate(t)) / Math.Max(1e-12, Math.Abs(numeric));
        });
    }

    /// <summary>Adds what tells this schedule from others: its type and its noise at a few times.</summary>
    internal void Describe(RunIdentity identity) => identity
        .Add("schedule", GetType().Name)
        .Add("schedule.sigma", string.Join(", ", new[] { 0, 0.25, 0.5, 0.75, 1 }.Select(t => Sigma(t).ToString("G9", CultureInfo.InvariantCulture))));

    private protected static double CheckEpsilon(double epsilon) => epsilon is > 0 and < 1
        ? epsilon
        : throw new ArgumentOutOfRangeException(nameof(epsilon), epsilon, "epsilon lies between 0 and 1; the published value is 1e-3.");

    private protected static (double Min, double Max) CheckRange(double sigmaMin, double sigmaMax) => sigmaMin > 0 && sigmaMax > sigmaMin && double.IsFinite(sigmaMax)
        ? (sigmaMin, sigmaMax)
        : throw new ArgumentOutOfRangeException(nameof(sigmaMax), sigmaMax, $"0 < sigma_min < sigma_max is needed; sigma_min is {sigmaMin}.");
}
