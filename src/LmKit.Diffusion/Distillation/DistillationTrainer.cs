using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the distillers share: steps, the student's weight average, accounting, the guard, checkpoints that resume bit for bit.</summary>
/// <remarks>
/// <para>Everything that is random comes from one generator, which reference rows are drawn from too; so a resumed run repeats the
/// uninterrupted one exactly on the same machine, thread count and library version. When a checkpoint is written or read the
/// reference is asked a few times more, with a generator of a fixed seed, which tells one data from another.</para>
/// <para>Parameters of bfloat16 are trained through float32 copies; float16 is refused.</para>
/// <para>The meter <c>LmKit.Diffusion</c> records the loss of each step as <c>lmkit.diffusion.training.loss</c>; its tag <c>learner</c> is
/// student, discriminator or auxiliary.</para>
/// <para>Not thread-safe. The modules stay the caller's; they end in evaluation mode.</para>
/// </remarks>
public abstract partial class DistillationTrainer : IDisposable
{
    private const string HeaderFile = "distillation.json";
    private const string AveragePart = "average";
    private const string GeneratorPart = "generators";
    private const string CountsPart = "counts";

    private readonly Func<long, Generator, Tensor> reference;
    private readonly DistillationOptions options;
    private readonly DistillationLearner learner;
    private readonly List<DistillationLearner> learners = [];
    private readonly Dictionary<string, Generator> generators = [];
    private readonly Dictionary<string, nn.Module> companions = [];
    private readonly Lazy<RunIdentity> fixedIdentity;
    private readonly UseGate gate = new(nameof(DistillationTrainer));

    private protected DistillationTrainer(nn.Module studentModule, IDenoiser student, IDenoiser teacher, Func<long, Generator, Tensor> reference, DistillationOptions options, NoiseSchedule? schedule)
    {
        ArgumentNullException.ThrowIfNull(studentModule);
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(reference);
        OptionsJson.Validate(options, "$.distillation");
        CheckpointOptions.Check("$.distillation", options, options.CheckpointFolder, options.CheckpointInterval);
        if (student.VocabSize != teacher.VocabSize || student.MaskId != teacher.MaskId)
            throw new ArgumentException($"The student has {student.VocabSize} tokens and mask {student.MaskId}, the teacher {teacher.VocabSize} and {teacher.MaskId}; they must agree.", nameof(student));
        (Student, Teacher, this.reference, this.options) = (student, teacher, reference, options);
        Schedule = schedule ?? new LogLinearSchedule();
        Schedule.Check();
        Scale = (teacher.IsTimeConditioned ? teacher : student).Scale;
        CheckScale("student", student, teacher);
        if (Scale == LevelScale.Time)
            Schedule.CheckStart("the change of variables");
        Random = new Generator(options.Seed);
        generators["random"] = Random;
        learner = new DistillationLearner("student", studentModule, options.StudentLearningRate, options.MaxStudentNorm);
        learners.Add(learner);
        Average = new WeightAverage(studentModule, options.AverageDecay, learner.Masters);
        fixedIdentity = new(Describe);
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

    /// <summary>What the last <see cref="Resume"/> took and what it passed over as damaged; null before.</summary>
    public ResumeReport? Resumed { get; private set; }

    /// <summary>Whether the run is over: all steps are done or the guard has stopped it.</summary>
    public bool IsDone => Step >= TotalSteps || Guard?.Last is { Verdict: not GuardVerdict.Continue };

    private protected IDenoiser Student { get; }

    private protected IDenoiser Teacher { get; }

    private protected NoiseSchedule Schedule { get; }

    /// <summary>The scale on which the networks are told the noise: the teacher's.</summary>
    private protected LevelScale Scale { get; }

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
        using var recorded = GradientMode.Record();
        StudentModule.eval();
        Guard?.Begin(Average);
        var done = Learn(new DistillationStep(Step + 1, TotalSteps));
        Step++;
        if (done.StudentLoss is not null)
            Average.Update();
        if (Guard is not null && Guard.IsDue(Step, TotalSteps))
            done = done with { Reading = Guard.Read(Student, Average, Step) };
        if (options.CheckpointInterval > 0 && Step % options.CheckpointInterval == 0)
            Save();
        return done;
    }

    /// <summary>Writes a checkpoint, all or nothing, and keeps the one before it too: student, helper networks, optimizers, average,
    /// generators, ledger and the guard's memory.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="InvalidOperationException">No checkpoint folder is set.</exception>
    /// <exception cref="TrainingDivergedException">A weight, an average or a moment is not finite; the checkpoints that are there stay.</exception>
    public string Save()
    {
        using var use = gate.Enter();
        using var studentUse = UseGate.Enter(StudentModule);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var parts = Parts();
        return Checkpoints(parts).Save(new RunHeader(Step, Identity(), null, new Dictionary<string, string>()), parts);
    }

    /// <summary>Goes on from the newest whole checkpoint in the checkpoint folder; <see cref="Resumed"/> tells which it was and what was
    /// damaged.</summary>
    /// <returns>False when there is none.</returns>
    /// <remarks>Everything is checked before anything is changed: after an exception the run is as it was.</remarks>
    /// <exception cref="CheckpointMismatchException">The newest checkpoint is of another method, model, recipe, data or version.</exception>
    /// <exception cref="CheckpointException">There are checkpoints, and all of them are damaged.</exception>
    public bool Resume()
    {
        using var use = gate.Enter();
        using var studentUse = UseGate.Enter(StudentModule);
        using var scope = NewDisposeScope();
        var mine = Parts();
        if (Checkpoints(mine).Open(Identity(), TotalSteps) is not { } found)
            return false;
        var saved = found.Parts;
        Check(found.Report.Folder, mine, found);
        foreach (var (name, module) in Modules())
            CheckpointLoader.Load(module, saved[name]);
        foreach (var one in learners)
        {
            one.RestoreMoments(saved[Optimizer(one)]);
            if (one.Masters.Any)
                one.Masters.Restore(saved[Masters(one)]);
        }
        Average.Restore(saved[AveragePart], saved[CountsPart][AveragePart].item<long>());
        foreach (var (name, generator) in generators)
            generator.set_state(saved[GeneratorPart][name]);
        Guard?.Restore(saved.GetValueOrDefault(DistillationGuard.Part));
        Ledger.Restore(saved[CountsPart].ToDictionary(pair => pair.Key, pair => pair.Value.item<long>()));
        Step = found.Header.Step;
        Resumed = found.Report;
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
    private protected DistillationLearner Helps(DistillationLearner helper, Generator? random = null)
    {
        learners.Add(helper);
        if (random is not null)
            generators[helper.Name] = random;
        return helper;
    }

    /// <summary>Registers a network that changes during the run without being trained.</summary>
    private protected void Accompanies(string name, nn.Module module) => companions[name] = module;

    private protected double TrainStudent(Tensor loss, double share) => Descend(learner, loss, share);

    private protected double Descend(DistillationLearner one, Tensor loss, double share) =>
        one.Descend(loss, share, Step + 1, () => options.CheckpointFolder is { } root ? new StepFolders(root, HeaderFile).Latest() : null);

    private protected Tensor Reference(long count)
    {
        var rows = reference(count, Random);
        MaskingProcess.CheckClean(rows, Student.VocabSize, Student.MaskId);
        return rows.size(0) == count ? rows : throw new InvalidOperationException($"{rows.size(0)} reference rows came where {count} were asked for.");
    }

    /// <summary>What the networks are told at times, on their scale; the times' shape, float64.</summary>
    private protected Tensor Levels(Tensor times) => NoiseSchedule.Map(times, time => Schedule.Level(time, Scale));

    private protected static void CheckScale(string name, IDenoiser denoiser, IDenoiser teacher)
    {
        if (denoiser.IsTimeConditioned && teacher.IsTimeConditioned && denoiser.Scale != teacher.Scale)
            throw new ArgumentException($"The teacher is told {teacher.Scale} and the {name} {denoiser.Scale}; they must be told noise on one scale (level_scale).", name);
    }

    private protected Tensor AskTeacher(Tensor tokens, Tensor level)
    {
        using var frozen = no_grad();
        Ledger.TeacherForwards++;
        return HalfPrecision.Widen(Teacher.call(tokens, level));
    }

    private protected Tensor Corrupt(Tensor tokens, Tensor times)
    {
        var uniforms = rand(tokens.shape, ScalarType.Float64, generator: Random).to(tokens.device);
        return MaskingProcess.Corrupt(tokens, 1 - NoiseSchedule.Map(times, Schedule.Alpha), Student.MaskId, uniforms);
    }

    private protected Tensor IsMasked(Tensor tokens) => tokens.eq(Student.MaskId);

    private protected static double Number(Tensor value) => value.detach().to(ScalarType.Float64).item<double>();
}

/// <summary>What one step of a distillation did; what a method does not have, or this step did not do, is null.</summary>
/// <param name="Step">Steps done, the helper network's warm-up included.</param>
/// <param name="TotalSteps">Steps of the whole run.</param>
public sealed record DistillationStep(long Step, long TotalSteps)
{
    /// <summary>The student's loss; not comparable across times.</summary>
    public double? StudentLoss { get; init; }

    /// <summary>Mean KL(teacher || student) in nats of the states looked at.</summary>
    public double? Divergence { get; init; }

    /// <summary>Mean entropy in nats of the student at masked positions.</summary>
    public double? Entropy { get; init; }

    /// <summary>The loss in nats of the helper network: a discriminator or an auxiliary denoiser.</summary>
    public double? HelperLoss { get; init; }

    /// <summary>Share of sequences that the discriminator put on the right side.</summary>
    public double? Accuracy { get; init; }

    /// <summary>Mean reward.</summary>
    public double? Reward { get; init; }

    /// <summary>What the guard read after this step.</summary>
    public GuardReading? Reading { get; init; }
}
