using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Watches the samples of a student while it is distilled, and ends the run when it stops getting better or collapses.</summary>
/// <remarks>A reward or a perplexity cannot see modes vanish; entropy and n-gram divergence can. When the guard ends a run it puts the
/// average with the lowest divergence among the readings of enough entropy back, or the one it began with. Serves one run; dispose it after it.</remarks>
public sealed class DistillationGuard : IDisposable
{
    internal const string Key = "guard.";
    private const string History = Key + "history";
    private const string BestKey = Key + "best.";
    private const int RowLength = 11;

    private readonly IDenoiser teacher;
    private readonly SampleJudge judge;
    private readonly DistillationGuardOptions options;
    private readonly NoiseSchedule? schedule;
    private readonly List<GuardReading> readings = [];
    private Dictionary<string, Tensor> best = [];
    private SampleQuality? measured;

    /// <summary>Makes a guard.</summary>
    /// <param name="teacher">What the student is compared with; not disposed.</param>
    /// <param name="judge">Judges samples against a reference.</param>
    /// <param name="options">When to read and when to stop.</param>
    /// <param name="schedule">The networks' schedule; null for the log-linear one.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    public DistillationGuard(IDenoiser teacher, SampleJudge judge, DistillationGuardOptions? options = null, NoiseSchedule? schedule = null)
    {
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(judge);
        options ??= new DistillationGuardOptions();
        OptionsJson.Validate(options, "$.guard");
        schedule?.Check();
        (this.teacher, this.judge, this.options, this.schedule) = (teacher, judge, options, schedule);
    }

    /// <summary>All readings so far.</summary>
    public IReadOnlyList<GuardReading> Readings => readings;

    /// <summary>The latest reading, or null.</summary>
    public GuardReading? Last => readings.LastOrDefault();

    /// <summary>The reading with the lowest divergence among those of enough entropy, or null.</summary>
    public GuardReading? Best => readings.Where(HasEntropy).MinBy(reading => reading.Student.Divergence);

    /// <summary>Judges readings in order: what the last one means.</summary>
    /// <param name="readings">Qualities of the student, oldest first.</param>
    /// <param name="teacher">The teacher's quality.</param>
    /// <param name="options">The bounds.</param>
    public static GuardVerdict Judge(IReadOnlyList<SampleQuality> readings, SampleQuality teacher, DistillationGuardOptions options)
    {
        ArgumentNullException.ThrowIfNull(readings);
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(options);
        if (readings.Count == 0)
            return GuardVerdict.Continue;
        if (!(readings[^1].Entropy >= teacher.Entropy * (1 - options.EntropyTolerance)))
            return GuardVerdict.EntropyFell;
        var lowest = readings.Index().MinBy(entry => entry.Item.Divergence).Index;
        return options.Patience > 0 && readings.Count - 1 - lowest >= options.Patience ? GuardVerdict.DivergenceStalled : GuardVerdict.Continue;
    }

    /// <inheritdoc/>
    public void Dispose() => Forget();

    internal bool IsDue(long step, long totalSteps) => step > options.FirstStep && ((step - options.FirstStep) % options.Interval == 0 || step == totalSteps);

    internal RunIdentity Describe(RunIdentity identity) => identity.Add("guard", "set").AddOptions(options, Key);

    /// <summary>Remembers what to go back to before there is a reading.</summary>
    internal void Begin(WeightAverage average)
    {
        if (best.Count == 0)
            Remember(average);
    }

    /// <summary>Measures after a step, and ends the run with it where that is called for.</summary>
    internal void Read(TrainingTurn turn, IDenoiser student, WeightAverage average)
    {
        var device = average.Tensors.Values.First().device; // student and teacher see the same grids, so they lie together
        measured ??= Measure(teacher, device);
        SampleQuality quality;
        using (average.Swap())
            quality = Measure(student, device);
        var verdict = Judge([.. readings.Select(reading => reading.Student), quality], measured, options);
        var read = new GuardReading(turn.Step + 1, measured, quality, verdict);
        readings.Add(read);
        turn.Report(Key + "divergence", quality.Divergence);
        turn.Report(Key + "entropy", quality.Entropy);
        if (quality.Perplexity is { } perplexity)
            turn.Report(Key + "perplexity", perplexity);
        if (ReferenceEquals(Best, read))
            Remember(average);
        if (verdict == GuardVerdict.Continue)
            return;
        average.Restore(best, average.UpdateCount);
        turn.End(Reason(read));
    }

    /// <summary>All that it remembers, by the names that a checkpoint has for it; nothing before the first step.</summary>
    internal Dictionary<string, Tensor> Memory()
    {
        if (best.Count == 0)
            return [];
        long[] rows = measured is null ? [] : [.. Row(0, measured, GuardVerdict.Continue), .. readings.SelectMany(reading => Row(reading.Step, reading.Student, reading.Verdict))];
        var memory = best.ToDictionary(pair => BestKey + pair.Key, pair => pair.Value);
        memory[History] = tensor(rows, [rows.Length / RowLength, RowLength]);
        return memory;
    }

    /// <summary>Refuses a memory that is not of this student, or is of a version with other readings; changes nothing.</summary>
    internal static void Check(IReadOnlyDictionary<string, Tensor> memory, nn.Module student)
    {
        if (memory.Count == 0)
            return;
        using var average = new WeightAverage(student, 0);
        var expected = average.Tensors.ToDictionary(pair => BestKey + pair.Key, pair => pair.Value);
        expected[History] = zeros(memory.TryGetValue(History, out var history) && history.dim() == 2 ? history.size(0) : 0, RowLength, dtype: ScalarType.Int64);
        CheckpointLoader.Check("The guard's memory", expected, memory);
    }

    /// <summary>Takes over a memory that <see cref="Check"/> has passed.</summary>
    internal void Restore(IReadOnlyDictionary<string, Tensor> memory)
    {
        Forget();
        readings.Clear();
        measured = null;
        best = memory.Where(pair => pair.Key != History).ToDictionary(pair => pair.Key[BestKey.Length..], pair => pair.Value.clone().DetachFromDisposeScope());
        if (best.Count == 0 || memory[History].numel() == 0)
            return;
        var rows = memory[History].data<long>().ToArray().Select(BitConverter.Int64BitsToDouble).Chunk(RowLength).ToArray();
        measured = Quality(rows[0]);
        readings.AddRange(rows.Skip(1).Select(row => new GuardReading((long)row[0], measured, Quality(row), (GuardVerdict)row[1])));
    }

    private SampleQuality Measure(IDenoiser denoiser, Device device) =>
        judge.Measure(new SparseAncestralSampler(denoiser, new DiffusionSamplerOptions { StepCount = options.StepCount }, schedule), options.StepCount, options.SampleCount, options.Length, options.Seed, device);

    private string Reason(GuardReading read)
    {
        if (read.Verdict == GuardVerdict.EntropyFell)
            return string.Create(CultureInfo.InvariantCulture, $"The entropy of the student's samples is {read.Student.Entropy:F3}, more than {options.EntropyTolerance:P1} below the teacher's {read.Teacher.Entropy:F3}.");
        var lowest = readings.MinBy(one => one.Student.Divergence)!;
        return string.Create(CultureInfo.InvariantCulture, $"The n-gram divergence of the student's samples has not fallen since step {lowest.Step}: {lowest.Student.Divergence:F4} then, {read.Student.Divergence:F4} now.");
    }

    private bool HasEntropy(GuardReading reading) => reading.Verdict != GuardVerdict.EntropyFell;

    private void Remember(WeightAverage average)
    {
        Forget();
        using var frozen = no_grad();
        best = average.Tensors.ToDictionary(pair => pair.Key, pair => pair.Value.clone().DetachFromDisposeScope());
    }

    private void Forget()
    {
        foreach (var tensor in best.Values)
            tensor.Dispose();
        best = [];
    }

    // As bits: a reading need not be finite, and every other number of a checkpoint must be.
    private static IEnumerable<long> Row(long step, SampleQuality quality, GuardVerdict verdict) =>
        new[] { step, (double)verdict, quality.StepCount, quality.SampleCount, quality.Perplexity ?? -1, quality.Divergence, quality.Entropy, quality.DuplicateRate, quality.PerplexityError, quality.DivergenceError, quality.EntropyError }.Select(BitConverter.DoubleToInt64Bits);

    private static SampleQuality Quality(double[] row) => new((int)row[2], (long)row[3], row[4] < 0 ? null : row[4], row[5], row[6], row[7]) { PerplexityError = row[8], DivergenceError = row[9], EntropyError = row[10] };
}

/// <summary>One reading of a distillation's guard.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Teacher">The teacher's samples at the guarded number of steps, measured once.</param>
/// <param name="Student">The student's, with its weight average.</param>
/// <param name="Verdict">Whether to go on.</param>
public sealed record GuardReading(long Step, SampleQuality Teacher, SampleQuality Student, GuardVerdict Verdict);

/// <summary>What a guard thinks of a distillation.</summary>
public enum GuardVerdict
{
    /// <summary>It goes on.</summary>
    Continue,

    /// <summary>The samples' entropy has fallen too far below the teacher's: modes collapse.</summary>
    EntropyFell,

    /// <summary>The n-gram divergence from the reference has stopped falling.</summary>
    DivergenceStalled,
}
