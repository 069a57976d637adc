using System.ComponentModel.DataAnnotations;
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
            throw new ArgumentException($"{nameof(TimeSamplingOptions)}.{nameof(options.DiscreteSteps)} = {options.DiscreteSteps} goes with the plain bound only, not with {nameof(options.Weighting)} = {options.Weighting}.", nameof(options));
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

/// <summary>Options of drawing noise times for training and for the bound.</summary>
public sealed class TimeSamplingOptions
{
    /// <summary>One time in each of B equal strata of the batch (official option "antithetic_sampling"). Default true.</summary>
    public bool IsStratified { get; set; } = true;

    /// <summary>The smallest time (sampling_eps). Default 1e-3 (official code).</summary>
    [Range(0.0, 0.5)]
    public double MinTime { get; set; } = 1e-3;

    /// <summary>How times and weights are paired. Default the plain bound.</summary>
    public LossWeighting Weighting { get; set; }

    /// <summary>Steps T of the discrete-time bound; 0 is continuous time, the default.</summary>
    [Range(0, int.MaxValue)]
    public int DiscreteSteps { get; set; }
}

/// <summary>How noise times and loss weights are paired; all are the same bound in expectation.</summary>
public enum LossWeighting
{
    /// <summary>Uniform times, weight (d sigma / dt) / (e^sigma - 1).</summary>
    Elbo,

    /// <summary>Times drawn so that the weight is constant (official option "importance_sampling").</summary>
    Importance,

    /// <summary>The masked share itself is drawn and the network is conditioned on t (official option "change_of_variables").</summary>
    ChangeOfVariables,
}

/// <summary>The noise of one batch, one entry a row, in float64.</summary>
/// <param name="Time">Time t (B).</param>
/// <param name="Level">What the network is conditioned on (B): sigma(t), or t under the change of variables.</param>
/// <param name="MaskedShare">Probability (B) that a token is masked.</param>
/// <param name="Weight">Factor (B) of the loss -log p(x_0).</param>
public sealed record NoiseLevels(Tensor Time, Tensor Level, Tensor MaskedShare, Tensor Weight) : IDisposable
{
    /// <summary>The scale of <see cref="Level"/>; a network with time conditioning must have been made for it.</summary>
    public LevelScale Scale { get; init; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var part in new[] { Time, Level, MaskedShare, Weight })
            part.Dispose();
    }
}

/// <summary>On which scale a network with time conditioning is told how noisy its input is, in training and sampling alike.</summary>
public enum LevelScale
{
    /// <summary>The total noise sigma(t): the plain bound and importance sampling.</summary>
    TotalNoise,

    /// <summary>The time t of the change of variables, ln(masked share) = (1 - t) f_0 + t f_T: <see cref="LossWeighting.ChangeOfVariables"/>.</summary>
    Time,
}
