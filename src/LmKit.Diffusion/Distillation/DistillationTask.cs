using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What the distillers share as tasks of <see cref="Trainer"/>: student and teacher, reference rows, accounting, the guard.</summary>
/// <remarks>
/// <para>The first learner is the student, whose weight average (<see cref="Trainer.Average"/>) is what is sampled from afterwards. A step
/// reports <c>divergence</c> (mean KL(teacher || student) in nats of the states looked at), <c>entropy</c> (mean entropy in nats of the student at
/// masked positions), the helper network's <c>loss.NAME</c>, and after a reading of the guard <c>guard.divergence</c>, <c>guard.entropy</c> and
/// <c>guard.perplexity</c>; what a step did not do is not there.</para>
/// <para>The recipe is the task's. <see cref="TrainingOptions"/> has what is a run's, such as checkpoints, and AdamW's betas and epsilon; what the
/// task says itself is refused there by name.</para>
/// <para>Everything that is random comes from one generator, which reference rows are drawn from too. When a checkpoint is written or read
/// the reference is asked a few times more, with a generator of a fixed seed, which tells one data from another.</para>
/// <para>Not thread-safe. The modules stay the caller's. Dispose the trainer first.</para>
/// </remarks>
public abstract class DistillationTask : ITrainingTask, IDisposable
{
    private const string RandomKey = "random";
    private const string LedgerKey = "ledger.";

    private readonly Func<long, Generator, Tensor> reference;
    private readonly DistillationOptions options;
    private readonly List<Learner> learners = [];
    private readonly Dictionary<string, Generator> generators = [];
    private readonly Dictionary<string, nn.Module> companions = [];
    private readonly Lazy<RunIdentity> run;

    private protected DistillationTask(nn.Module studentModule, IDenoiser student, IDenoiser teacher, Func<long, Generator, Tensor> reference, DistillationOptions options, NoiseSchedule? schedule)
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
        Schedule.Check();
        Scale = (teacher.IsTimeConditioned ? teacher : student).Scale;
        CheckScale("student", student, teacher);
        if (Scale == LevelScale.Time)
            Schedule.CheckStart("the change of variables");
        Random = new Generator(options.Seed);
        generators[RandomKey] = Random;
        StudentLearner = new Learner("student", studentModule)
        {
            LearningRate = options.StudentLearningRate,
            MaxGradientNorm = options.MaxStudentNorm,
            WeightDecay = 0,
            AverageDecay = options.AverageDecay,
            Schedule = Share,
        };
        learners.Add(StudentLearner);
        run = new(Describe);
    }

    /// <inheritdoc/>
    public IReadOnlyList<Learner> Learners => learners;

    /// <summary>Steps of the whole run, the helper network's warm-up or all rounds included.</summary>
    public long? Steps => TotalSteps;

    /// <summary>What the run has cost so far, the guard's samples left out.</summary>
    public CallLedger Ledger { get; } = new();

    /// <summary>Watches quality and may end the run early; null for none. Set it before the first step and before the run is resumed.</summary>
    public DistillationGuard? Guard { get; set; }

    private protected Learner StudentLearner { get; }

    private protected IDenoiser Student { get; }

    private protected IDenoiser Teacher { get; }

    private protected NoiseSchedule Schedule { get; }

    /// <summary>The scale on which the networks are told the noise: the teacher's.</summary>
    private protected LevelScale Scale { get; }

    private protected Generator Random { get; }

    private protected abstract long TotalSteps { get; }

    /// <inheritdoc/>
    public void Learn(TrainingTurn turn)
    {
        ArgumentNullException.ThrowIfNull(turn);
        StudentLearner.Module.eval(); // no dropout, so what is scored is what was drawn
        var average = turn.Average(StudentLearner)!;
        Guard?.Begin(average);
        Distil(turn);
        if (Guard is not null && Guard.IsDue(turn.Step + 1, turn.TotalSteps))
            Guard.Read(turn, Student, average);
    }

    /// <inheritdoc/>
    public RunIdentity Identity()
    {
        var identity = new RunIdentity("task", GetType().Name).AddAll(run.Value);
        return Guard is null ? identity.Add("guard", null) : Guard.Describe(identity);
    }

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> Progress()
    {
        var progress = Own();
        foreach (var (name, value) in Guard?.Memory() ?? [])
            progress[name] = value;
        return progress;
    }

    /// <inheritdoc/>
    public void Restore(IReadOnlyDictionary<string, Tensor> progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var memory = progress.Where(pair => Guard is not null && pair.Key.StartsWith(DistillationGuard.Key, StringComparison.Ordinal)).ToDictionary();
        CheckpointLoader.Check("The checkpoint's progress", Own(), progress.Where(pair => !memory.ContainsKey(pair.Key)).ToDictionary());
        DistillationGuard.Check(memory, StudentLearner.Module);
        foreach (var (name, generator) in generators)
            generator.set_state(progress[name]);
        foreach (var (name, module) in companions)
            CheckpointLoader.Load(module, Under($"{name}.", progress));
        Guard?.Restore(memory);
        Ledger.Restore(Under(LedgerKey, progress).ToDictionary(pair => pair.Key, pair => pair.Value.item<long>()));
    }

    /// <summary>Frees the generator.</summary>
    public void Dispose()
    {
        Random.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Does one step's work.</summary>
    private protected abstract void Distil(TrainingTurn turn);

    /// <summary>Share of the peak learning rates at a step, from 0.</summary>
    private protected abstract double Share(long step);

    /// <summary>Registers a helper network under training and the generator it draws from.</summary>
    private protected Learner Helps(string name, nn.Module module, double rate, double maxNorm, Generator? random = null)
    {
        var helper = new Learner(name, module) { LearningRate = rate, MaxGradientNorm = maxNorm, WeightDecay = 0, Schedule = Share };
        learners.Add(helper);
        if (random is not null)
            generators[$"{name}_{RandomKey}"] = random;
        return helper;
    }

    /// <summary>Registers a network that changes during the run without being trained.</summary>
    private protected void Accompanies(string name, nn.Module module) => companions[name] = module;

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

    private static Dictionary<string, Tensor> Under(string key, IReadOnlyDictionary<string, Tensor> progress) =>
        progress.Where(pair => pair.Key.StartsWith(key, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[key.Length..], pair => pair.Value);

    private static nn.Module? Network(IDenoiser denoiser) => denoiser switch
    {
        LanguageModelDenoiser one => one.Network,
        _ => denoiser as nn.Module,
    };

    // All but the guard's memory.
    private Dictionary<string, Tensor> Own()
    {
        var progress = generators.ToDictionary(pair => pair.Key, pair => pair.Value.get_state());
        foreach (var (name, count) in Ledger.Counts())
            progress[LedgerKey + name] = tensor(count);
        foreach (var (role, module) in companions)
        {
            foreach (var (name, value) in ModuleTensors.Of(module))
                progress[$"{role}.{name}"] = value;
        }
        return progress;
    }

    private RunIdentity Describe()
    {
        var identity = new RunIdentity("task", GetType().Name).AddOptions(options, "distillation.");
        Schedule.Describe(identity);
        identity.Add("mask_id", Student.MaskId).Add("vocab_size", Student.VocabSize).Add("is_time_conditioned", Student.IsTimeConditioned);
        foreach (var learner in learners)
        {
            if (learner.Module is Discriminator one)
                identity.AddModule(one.Model, learner.Name);
        }
        foreach (var (name, module) in companions)
            identity.AddModule(module, name);
        if (Network(Teacher) is { } network && !companions.ContainsValue(network))
            identity.Add("teacher_key", ContentHash.Of(ModuleTensors.Of(network)));
        return identity.AddRows("data_key", random => reference(2, random));
    }
}
