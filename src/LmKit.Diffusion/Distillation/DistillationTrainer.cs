using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the distillers share: steps, the student's weight average, accounting, the guard, checkpoints that resume bit for bit.</summary>
/// <remarks>
/// <para>Everything that is random comes from one generator, which reference rows are drawn from too; so a resumed run repeats the
/// uninterrupted one exactly on the same machine, thread count and library version.</para>
/// <para>Not thread-safe. The modules stay the caller's; they end in evaluation mode.</para>
/// </remarks>
public abstract class DistillationTrainer : IDisposable
{
    private const string AveragePart = "average";
    private const string GeneratorPart = "generators";

    private readonly Func<long, Generator, Tensor> reference;
    private readonly DistillationOptions options;
    private readonly Learner learner;
    private readonly List<Learner> learners = [];
    private readonly Dictionary<string, Generator> generators = [];
    private readonly Dictionary<string, nn.Module> companions = [];
    private readonly UseGate gate = new(nameof(DistillationTrainer));

    private protected DistillationTrainer(nn.Module studentModule, IDenoiser student, IDenoiser teacher, Func<long, Generator, Tensor> reference, DistillationOptions options, NoiseSchedule? schedule)
    {
        ArgumentNullException.ThrowIfNull(studentModule);
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(reference);
        OptionsJson.Validate(options, "$.distillation");
        if (student.VocabSize != teacher.VocabSize || student.MaskId != teacher.MaskId)
            throw new ArgumentException($"The student has {student.VocabSize} tokens and mask {student.MaskId}, the teacher {teacher.VocabSize} and {teacher.MaskId}; they must agree.", nameof(student));
        (Student, Teacher, this.reference, this.options) = (student, teacher, reference, options);
        Schedule = schedule ?? new LogLinearSchedule();
        Random = new Generator(options.Seed);
        generators["random"] = Random;
        learner = new Learner("student", studentModule, options.StudentLearningRate, options.MaxStudentNorm);
        learners.Add(learner);
        Average = new WeightAverage(studentModule, options.AverageDecay);
    }

    /// <summary>The student's weight average, which is what is sampled from afterwards.</summary>
    public WeightAverage Average { get; }

    /// <summary>What the run has cost so far, the guard's samples left out.</summary>
    public CallLedger Ledger { get; } = new();

    /// <summary>Steps done, the helper network's warm-up included.</summary>
    public long Step { get; private set; }

    /// <summary>Steps of the whole run.</summary>
    public abstract long TotalSteps { get; }

    /// <summary>Watches quality and may end the run early; null for none. Set it before the first step and before <see cref="Resume"/>.</summary>
    public DistillationGuard? Guard { get; set; }

    /// <summary>Whether the run is over: all steps are done or the guard has stopped it.</summary>
    public bool IsDone => Step >= TotalSteps || Guard?.Last is { Verdict: not GuardVerdict.Continue };

    private protected IDenoiser Student { get; }

    private protected IDenoiser Teacher { get; }

    private protected NoiseSchedule Schedule { get; }

    private protected Generator Random { get; }

    private protected nn.Module StudentModule => learner.Module;

    /// <summary>Runs to the end, or until the guard stops it; the average is then the best one the guard saw.</summary>
    /// <param name="progress">Told of every step, on this thread.</param>
    /// <param name="cancellation">Observed between steps; a checkpoint is kept first where a folder is set.</param>
    /// <exception cref="TrainingDivergedException">A loss or gradient is not finite; the student is as after the last good step.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the run can go on from where it stands.</exception>
    public void Run(IProgress<DistillationStep>? progress = null, CancellationToken cancellation = default)
    {
        while (!IsDone)
        {
            if (cancellation.IsCancellationRequested)
            {
                if (options.CheckpointFolder is not null)
                    Save();
                cancellation.ThrowIfCancellationRequested();
            }
            var done = Advance();
            progress?.Report(done);
        }
    }

    /// <summary>Takes one step.</summary>
    public DistillationStep Advance()
    {
        using var use = gate.Enter();
        using var studentUse = UseGate.Enter(StudentModule);
        using var scope = NewDisposeScope();
        StudentModule.eval();
        Guard?.Begin(Average);
        var done = Learn(new DistillationStep(Step + 1, TotalSteps));
        Step++;
        if (done.StudentLoss is not null)
            Average.Update();
        if (Guard is not null && Guard.IsDue(Step, TotalSteps))
            done = done with { Reading = Guard.Read(Student, Average, Step) };
        if (options.CheckpointInterval > 0 && options.CheckpointFolder is not null && Step % options.CheckpointInterval == 0)
            Save();
        return done;
    }

    /// <summary>Writes a checkpoint, all or nothing, and keeps the one before it too: student, helper networks, optimizers, average,
    /// generators, ledger and the guard's memory.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="InvalidOperationException">No checkpoint folder is set.</exception>
    /// <exception cref="TrainingDivergedException">A weight is not finite; the checkpoints that are there stay.</exception>
    public string Save()
    {
        using var use = gate.Enter();
        using var studentUse = UseGate.Enter(StudentModule);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var parts = Parts();
        foreach (var part in Modules().Select(pair => pair.Name).Append(AveragePart))
        {
            if (ModuleTensors.FirstNotFinite(parts[part]) is { } name)
                throw new TrainingDivergedException(Step, $"weight '{name}' of the {part}", DistillationCheckpoint.Latest(Folder));
        }
        return DistillationCheckpoint.Save(Folder, Header(parts), parts);
    }

    /// <summary>Goes on from the newest checkpoint in the checkpoint folder.</summary>
    /// <returns>False when there is none.</returns>
    /// <remarks>Everything is checked before anything is changed: after an exception the run is as it was.</remarks>
    /// <exception cref="CheckpointMismatchException">The checkpoint is of another method, model or recipe.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    public bool Resume()
    {
        if (DistillationCheckpoint.Latest(Folder) is not { } folder)
            return false;
        using var use = gate.Enter();
        using var studentUse = UseGate.Enter(StudentModule);
        using var scope = NewDisposeScope();
        var mine = Parts();
        var header = DistillationCheckpoint.ReadHeader(folder, Header(mine));
        var saved = DistillationCheckpoint.ReadParts(folder, header);
        Check(folder, mine, saved);
        foreach (var (name, module) in Modules())
            CheckpointLoader.Load(module, saved[name]);
        foreach (var one in learners)
            one.RestoreMoments(saved[$"{one.Name}_optimizer"]);
        Average.Restore(saved[AveragePart], header.AverageUpdates);
        foreach (var (name, generator) in generators)
            generator.set_state(saved[GeneratorPart][name]);
        Guard?.Restore(saved.GetValueOrDefault(DistillationGuard.Part));
        Ledger.Restore(header.Ledger);
        Step = header.Step;
        return true;
    }

    /// <summary>Frees optimizers, average and generator; waits for a running step.</summary>
    public void Dispose()
    {
        gate.Close(() =>
        {
            Average.Dispose();
            Random.Dispose();
            foreach (var one in learners)
                one.Dispose();
        });
        GC.SuppressFinalize(this);
    }

    /// <summary>Does one step's work; <see cref="Step"/> still counts the steps before it.</summary>
    private protected abstract DistillationStep Learn(DistillationStep step);

    /// <summary>Registers a helper network under training and the generator it draws from.</summary>
    private protected Learner Helps(Learner helper, Generator? random = null)
    {
        learners.Add(helper);
        if (random is not null)
            generators[helper.Name] = random;
        return helper;
    }

    /// <summary>Registers a network that changes during the run without being trained.</summary>
    private protected void Accompanies(string name, nn.Module module) => companions[name] = module;

    private protected double TrainStudent(Tensor loss, double share) => Descend(learner, loss, share);

    private protected double Descend(Learner one, Tensor loss, double share) =>
        one.Descend(loss, share, Step + 1, () => options.CheckpointFolder is { } root ? DistillationCheckpoint.Latest(root) : null);

    private protected Tensor Reference(long count)
    {
        var rows = reference(count, Random);
        MaskingProcess.CheckClean(rows, Student.VocabSize, Student.MaskId);
        return rows.size(0) == count ? rows : throw new InvalidOperationException($"{rows.size(0)} reference rows came where {count} were asked for.");
    }

    private protected Tensor AskTeacher(Tensor tokens, Tensor level)
    {
        using var frozen = no_grad();
        Ledger.TeacherForwards++;
        return Teacher.call(tokens, level);
    }

    private protected Tensor Corrupt(Tensor tokens, Tensor times)
    {
        var uniforms = rand(tokens.shape, ScalarType.Float64, generator: Random).to(tokens.device);
        return MaskingProcess.Corrupt(tokens, 1 - NoiseSchedule.Map(times, Schedule.Alpha), Student.MaskId, uniforms);
    }

    private protected Tensor IsMasked(Tensor tokens) => tokens.eq(Student.MaskId);

    private protected static double Number(Tensor value) => value.detach().to(ScalarType.Float64).item<double>();

    private string Folder => options.CheckpointFolder
        ?? throw new InvalidOperationException($"{nameof(DistillationOptions)}.{nameof(DistillationOptions.CheckpointFolder)} is not set.");

    private IEnumerable<(string Name, nn.Module Module)> Modules() =>
        learners.Select(one => (one.Name, one.Module)).Concat(companions.Select(pair => (pair.Key, pair.Value)));

    private DistillationHeader Header(Dictionary<string, IReadOnlyDictionary<string, Tensor>> parts) =>
        new(DistillationHeader.PresentFormat, GetType().Name, Step, Average.UpdateCount, DistillationHeader.Recipe(options), Ledger.Counts(), [.. parts.Keys]);

    private void Check(string folder, Dictionary<string, IReadOnlyDictionary<string, Tensor>> mine, Dictionary<string, Dictionary<string, Tensor>> saved)
    {
        string[] missing = [.. mine.Keys.Where(part => part != DistillationGuard.Part && !saved.ContainsKey(part))];
        if (missing.Length > 0)
            throw new CheckpointMismatchException(folder, missing, [], [], []);
        foreach (var (name, module) in Modules())
            CheckpointLoader.Check($"{name} of {folder}", ModuleTensors.Of(module), saved[name]);
        foreach (var one in learners)
            one.CheckMoments(saved[$"{one.Name}_optimizer"]);
        Average.Check(saved[AveragePart]);
        CheckpointLoader.Check($"{GeneratorPart} of {folder}", mine[GeneratorPart], saved[GeneratorPart]);
        if (Guard is not null && saved.TryGetValue(DistillationGuard.Part, out var memory))
            DistillationGuard.Check(memory, Average);
    }

    private Dictionary<string, IReadOnlyDictionary<string, Tensor>> Parts()
    {
        var parts = Modules().ToDictionary(pair => pair.Name, pair => ModuleTensors.Of(pair.Module));
        foreach (var one in learners)
            parts[$"{one.Name}_optimizer"] = one.Moments();
        parts[AveragePart] = Average.Tensors;
        parts[GeneratorPart] = generators.ToDictionary(pair => pair.Key, pair => pair.Value.get_state());
        if (Guard?.Memory() is { Count: > 0 } memory)
            parts[DistillationGuard.Part] = memory;
        return parts;
    }
}
