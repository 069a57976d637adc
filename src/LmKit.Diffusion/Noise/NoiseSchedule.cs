using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How fast tokens are masked: alpha(t) = exp(-sigma(t)) is the probability that a token is still clean at time t.</summary>
/// <remarks>Time runs from 0 (clean) to 1 (masked). A schedule of one's own gives <see cref="Sigma"/> and <see cref="SigmaRate"/>;
/// <see cref="Check"/>, which everything that is built on a schedule calls, compares the two. Pure and thread-safe.</remarks>
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

    /// <summary>What a network is told at a time, on the scale that it was trained on.</summary>
    /// <remarks>Under the change of variables that is the t in [0, 1] at which training masks the share 1 - alpha(time).</remarks>
    /// <param name="time">The schedule's time.</param>
    /// <param name="scale">The network's scale (<see cref="IDenoiser.Scale"/>).</param>
    public double Level(double time, LevelScale scale)
    {
        if (scale == LevelScale.TotalNoise)
            return Sigma(time);
        var (start, end) = LogMaskedRange();
        return Math.Clamp((Math.Log(1 - Alpha(time)) - start) / (end - start), 0, 1);
    }

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
        new TensorCheck(nameof(NoiseSchedule)).AnyFloating(times, nameof(times), "...");
        if (times.device_type == DeviceType.META)
            throw new ArgumentException("Times on the meta device have no values.", nameof(times));
        ArgumentNullException.ThrowIfNull(function);
        if (times.numel() == 0)
            return zeros(times.shape, ScalarType.Float64, times.device);
        using var scope = NewDisposeScope();
        var values = times.detach().cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray();
        return tensor([.. values.Select(function)], times.shape, dtype: ScalarType.Float64, device: times.device).MoveToOuterDisposeScope();
    }

    /// <summary>The largest relative difference between <see cref="SigmaRate"/> and a central difference of <see cref="Sigma"/>; infinite
    /// where either is no number.</summary>
    public double CheckRate(int points = 32)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(points);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(points, 1 << 20);
        return Inside(points).Max(RateError);
    }

    /// <summary>Fails unless the schedule's members fit each other: noise rises from 0 or more without a jump, <see cref="SigmaRate"/> is its
    /// slope, <see cref="Alpha"/> is exp(-<see cref="Sigma"/>) and <see cref="TimeOf"/>, where there is one, its inverse.</summary>
    /// <remarks>Samplers, training and distillation call it when they are built; it costs a few hundred evaluations.</remarks>
    /// <exception cref="ArgumentException">They do not; names the schedule and the time.</exception>
    public void Check()
    {
        const double tolerance = 1e-3;
        var before = Sigma(0);
        if (!(before >= 0 && double.IsFinite(before)))
            throw Wrong(0, $"sigma = {before}; it starts at 0 or a little above");
        foreach (var t in Inside(32))
        {
            var (sigma, rate, alpha) = (Sigma(t), SigmaRate(t), Alpha(t));
            if (!(sigma >= before && double.IsFinite(sigma)))
                throw Wrong(t, $"sigma = {sigma} after {before}; it is finite and never falls");
            if (RateError(t) is var error && !(error <= tolerance))
                throw Wrong(t, $"the rate is {rate} and the slope of sigma {Slope(t)}");
            if (!(Math.Abs(alpha - Math.Exp(-sigma)) <= tolerance * Math.Exp(-sigma)))
                throw Wrong(t, $"alpha = {alpha} and exp(-sigma) = {Math.Exp(-sigma)}");
            if (TimeOf(sigma) is { } time && !(Math.Abs(time - t) <= tolerance))
                throw Wrong(t, $"the time of its sigma is {time}");
            before = sigma;
        }
        if (!(Sigma(1) >= before) || !(Alpha(1) is >= 0 and < 1))
            throw Wrong(1, $"sigma = {Sigma(1)} and alpha = {Alpha(1)} after sigma = {before}; nothing is masked by then");
    }

    /// <summary>Fails where the change of variables or importance sampling cannot start, since ln(masked share) would be infinite.</summary>
    internal void CheckStart(string use)
    {
        var (start, end) = LogMaskedRange();
        if (!(double.IsFinite(start) && end > start))
            throw new ArgumentException($"{GetType().Name} at time 0: the least noise is {SigmaMin}, so its masked share has no logarithm and {use} cannot start there; override SigmaMin with a small positive number.");
    }

    private static IEnumerable<double> Inside(int points) => Enumerable.Range(1, points).Select(k => (double)k / (points + 1));

    private double Slope(double t)
    {
        const double step = 1e-6;
        return (Sigma(t + step) - Sigma(t - step)) / (2 * step);
    }

    private double RateError(double t)
    {
        var slope = Slope(t);
        var error = Math.Abs(slope - SigmaRate(t)) / Math.Max(1e-12, Math.Abs(slope));
        return double.IsNaN(error) ? double.PositiveInfinity : error; // Max passes NaN over
    }

    private ArgumentException Wrong(double time, string what) =>
        new(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{GetType().Name} contradicts itself at time {time:0.####}: {what}. Mend the schedule; sampling and training would go wrong without a word."));
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
