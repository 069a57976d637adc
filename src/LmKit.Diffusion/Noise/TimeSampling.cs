using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Draws noise times and what goes with them: conditioning, masked share and loss weight.</summary>
/// <remarks>Stratified: s_i = (u_i / n + i / n) mod 1; always t = (1 - eps) s + eps. The discrete bound with SUBS reduces to -log p / t,
/// which is finite at t = 1 / T where the official general form is not.</remarks>
public sealed class TimeSampling
{
    private const double LargestDiscreteTime = 1 - 1e-4;
    private const int MostSteps = 4096;

    private readonly NoiseSchedule schedule;
    private readonly TimeSamplingOptions options;

    /// <summary>Makes it for a schedule.</summary>
    /// <exception cref="ArgumentException">Discrete time is combined with a weighting that has no discrete form, or the schedule contradicts
    /// itself (<see cref="NoiseSchedule.Check"/>).</exception>
    public TimeSampling(NoiseSchedule schedule, TimeSamplingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        options ??= new TimeSamplingOptions();
        if (options.DiscreteSteps > 0 && options.Weighting != LossWeighting.Elbo)
            throw new ArgumentException($"discrete_steps = {options.DiscreteSteps} goes with the plain bound only, not with {options.Weighting}.", nameof(options));
        schedule.Check();
        if (options.Weighting != LossWeighting.Elbo)
            schedule.CheckStart($"{options.Weighting}");
        if (options.Weighting == LossWeighting.Importance)
            _ = schedule.ImportanceTime(0.5);
        this.schedule = schedule;
        this.options = options;
    }

    /// <summary>The scale on which networks are told the noise (<see cref="NoiseLevels.Level"/>).</summary>
    public LevelScale Scale => options.Weighting == LossWeighting.ChangeOfVariables ? LevelScale.Time : LevelScale.TotalNoise;

    /// <summary>Draws the noise of a batch.</summary>
    /// <param name="batch">Rows B.</param>
    /// <param name="random">Source of randomness, on the CPU.</param>
    public NoiseLevels Draw(long batch, Generator random)
    {
        ArgumentNullException.ThrowIfNull(random);
        Shapes.CheckSize([batch], nameof(batch));
        using var uniforms = rand(batch, ScalarType.Float64, generator: random);
        return Levels(uniforms);
    }

    /// <summary>The times (B) of uniforms (B), in float64.</summary>
    public Tensor Times(Tensor uniforms)
    {
        Check(uniforms);
        var values = Read(uniforms);
        var count = values.Length;
        return Write(values.Select((u, i) => (options.IsStratified ? (u / count + (double)i / count) % 1 : u) * (1 - options.MinTime) + options.MinTime)
            .Select(t => options.Weighting == LossWeighting.Importance ? schedule.ImportanceTime(t) : t));
    }

    /// <summary>The noise of a batch from uniforms (B).</summary>
    public NoiseLevels Levels(Tensor uniforms)
    {
        Check(uniforms);
        using var drawn = Times(uniforms);
        var steps = options.DiscreteSteps;
        var times = Read(drawn).Select(t => steps > 0 ? (Math.Floor(t * steps) + 1) / steps : t).ToArray();
        var (start, end) = schedule.LogMaskedRange();
        if (options.Weighting == LossWeighting.ChangeOfVariables)
            return new NoiseLevels(Write(times), Write(times), Write(times.Select(t => Math.Exp(start + t * (end - start)))), Write(times.Select(_ => -start))) { Scale = Scale };
        return new NoiseLevels(Write(times), Write(times.Select(schedule.Sigma)), Write(times.Select(t => -double.ExpM1(-schedule.Sigma(t)))), Write(times.Select(Weight)));

        double Weight(double t) => steps > 0 ? 1 / Math.Min(t, LargestDiscreteTime)
            : options.Weighting == LossWeighting.Importance ? -start
            : schedule.SigmaRate(t) / double.ExpM1(schedule.Sigma(t));
    }

    /// <summary>How often the bound asks about windows of a length with so many tokens masked.</summary>
    internal MaskedCounts Counts(long length)
    {
        var count = Math.Min(options.DiscreteSteps, MostSteps);
        return new MaskedCounts(length, [.. Enumerable.Range(0, count).Select(index => Step((Math.Floor((index + 0.5) / count * options.DiscreteSteps) + 1) / options.DiscreteSteps))]);

        (double, double, double) Step(double t) => (-double.ExpM1(-schedule.Sigma(t)), 1 / Math.Min(t, LargestDiscreteTime), schedule.Sigma(t));
    }

    /// <summary>What a network is told where some tokens of a window are masked.</summary>
    /// <param name="share">The masked share, in continuous time.</param>
    /// <param name="counts">Of the window's length.</param>
    /// <param name="masked">How many are masked.</param>
    /// <param name="uniform">Draws the step, in discrete time.</param>
    internal double LevelAt(double share, MaskedCounts counts, int masked, double uniform)
    {
        if (options.DiscreteSteps > 0)
            return counts.LevelOf(masked, uniform);
        var (start, end) = schedule.LogMaskedRange();
        if (Scale == LevelScale.Time)
            return Math.Clamp((Math.Log(share) - start) / (end - start), 0, 1);
        return Math.Clamp(-double.LogP1(-share), schedule.Sigma(options.MinTime), schedule.Sigma(1)); // what training told it
    }

    private static void Check(Tensor uniforms)
    {
        new TensorCheck(nameof(TimeSampling)).AnyFloating(uniforms, nameof(uniforms), "B");
        if (uniforms.device_type == DeviceType.META)
            throw new ArgumentException("Uniforms on the meta device have no values.", nameof(uniforms));
    }

    internal void Describe(RunIdentity identity)
    {
        schedule.Describe(identity);
        identity.AddOptions(options, "times.");
    }

    private static double[] Read(Tensor values)
    {
        if (values.numel() == 0)
            return []; // which TorchSharp's accessor refuses
        using var scope = NewDisposeScope();
        return values.cpu().to(ScalarType.Float64).contiguous().data<double>().ToArray();
    }

    private static Tensor Write(IEnumerable<double> values) => tensor(values.ToArray(), dtype: ScalarType.Float64);
}
