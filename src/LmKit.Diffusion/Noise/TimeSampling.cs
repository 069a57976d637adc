using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws noise times and what goes with them: conditioning, masked share and loss weight.</summary>
/// <remarks>Stratified: s_i = (u_i / n + i / n) mod 1; always t = (1 - eps) s + eps. The discrete bound with SUBS reduces to -log p / t,
/// which is finite at t = 1 / T where the official general form is not.</remarks>
public sealed class TimeSampling
{
    private const double LargestDiscreteTime = 1 - 1e-4;

    private readonly NoiseSchedule schedule;
    private readonly TimeSamplingOptions options;

    /// <summary>Makes it for a schedule.</summary>
    /// <exception cref="ArgumentException">Discrete time is combined with a weighting that has no discrete form.</exception>
    public TimeSampling(NoiseSchedule schedule, TimeSamplingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        options ??= new TimeSamplingOptions();
        if (options.DiscreteSteps > 0 && options.Weighting != LossWeighting.Elbo)
            throw new ArgumentException($"discrete_steps = {options.DiscreteSteps} goes with the plain bound only, not with {options.Weighting}.", nameof(options));
        if (options.Weighting == LossWeighting.Importance)
            _ = schedule.ImportanceTime(0.5);
        this.schedule = schedule;
        this.options = options;
    }

    /// <summary>Draws the noise of a batch.</summary>
    /// <param name="batch">Rows B.</param>
    /// <param name="random">Source of randomness, on the CPU.</param>
    public NoiseLevels Draw(long batch, Generator random)
    {
        using var uniforms = rand(batch, ScalarType.Float64, generator: random);
        return Levels(uniforms);
    }

    /// <summary>The times (B) of uniforms (B), in float64.</summary>
    public Tensor Times(Tensor uniforms)
    {
        ArgumentNullException.ThrowIfNull(uniforms);
        var values = Read(uniforms);
        var count = values.Length;
        return Write(values.Select((u, i) => (options.IsStratified ? (u / count + (double)i / count) % 1 : u) * (1 - options.MinTime) + options.MinTime)
            .Select(t => options.Weighting == LossWeighting.Importance ? schedule.ImportanceTime(t) : t));
    }

    /// <summary>The noise of a batch from uniforms (B).</summary>
    public NoiseLevels Levels(Tensor uniforms)
    {
        using var drawn = Times(uniforms);
        var steps = options.DiscreteSteps;
        var times = Read(drawn).Select(t => steps > 0 ? (Math.Floor(t * steps) + 1) / steps : t).ToArray();
        var (start, end) = schedule.LogMaskedRange();
        if (options.Weighting == LossWeighting.ChangeOfVariables)
            return new NoiseLevels(Write(times), Write(times), Write(times.Select(t => Math.Exp(start + t * (end - start)))), Write(times.Select(_ => -start)));
        return new NoiseLevels(Write(times), Write(times.Select(schedule.Sigma)), Write(times.Select(t => -double.ExpM1(-schedule.Sigma(t)))), Write(times.Select(Weight)));

        double Weight(double t) => steps > 0 ? 1 / Math.Min(t, LargestDiscreteTime)
            : options.Weighting == LossWeighting.Importance ? -start
            : schedule.SigmaRate(t) / double.ExpM1(schedule.Sigma(t));
    }

    internal void Describe(RunIdentity identity)
    {
        schedule.Describe(identity);
        identity.AddOptions(options, "times.");
    }

    private static double[] Read(Tensor values)
    {
        using var scope = NewDisposeScope();
        return values.cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    private static Tensor Write(IEnumerable<double> values) => tensor(values.ToArray(), dtype: ScalarType.Float64);
}
