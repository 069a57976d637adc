using TorchSharp;

namespace LmKit.DiffusionText;

/// <summary>The methods, each from a teacher to a finished student.</summary>
/// <param name="text">The text.</param>
/// <param name="settings">The size of the run.</param>
/// <param name="teacher">The teacher.</param>
/// <param name="watch">Told of every step.</param>
/// <param name="cancellation">Observed between steps.</param>
internal sealed class Distillations(ChainText text, RunSettings settings, LanguageModel teacher, Action<TrainingStep, GuardReading?> watch, CancellationToken cancellation)
{
    private const int SdttRounds = 5;
    private const int GuardedSteps = 8;

    internal bool IsGuarded { get; init; }

    /// <summary>DiDi-Instruct with K-step rollouts, the recipe's defaults otherwise; the discriminator is the caller's.</summary>
    internal (Student Student, Discriminator Discriminator) Didi(ulong seed, int rolloutSteps = 4, long? steps = null)
    {
        var student = Teacher.Copy(teacher);
        var discriminator = Discriminator.FromTeacher(teacher);
        using var task = new DiDiInstructTask(student, Teacher.Denoiser(student), Teacher.Denoiser(teacher), discriminator, text.Rows, new DiDiInstructOptions
        {
            Steps = steps ?? settings.DidiSteps,
            DiscriminatorWarmup = settings.WarmupSteps,
            RolloutSteps = rolloutSteps,
            Seed = seed,
        });
        return (Run(task, student, settings.WarmupSteps), discriminator);
    }

    /// <summary>Distribution matching with an auxiliary denoiser.</summary>
    internal Student Auxiliary(ulong seed)
    {
        var student = Teacher.Copy(teacher);
        using var auxiliary = Teacher.Copy(teacher);
        var options = new AuxiliaryDenoiserOptions { Steps = settings.AuxiliarySteps, Seed = seed };
        options.AuxiliaryWarmup = Math.Min(options.AuxiliaryWarmup, settings.AuxiliarySteps);
        using var task = new AuxiliaryDenoiserTask(student, Teacher.Denoiser(student), Teacher.Denoiser(teacher), auxiliary, Teacher.Denoiser(auxiliary), text.Rows, options);
        return Run(task, student, options.AuxiliaryWarmup);
    }

    /// <summary>Self-distillation through time, five rounds from 256 steps to 8.</summary>
    internal Student Sdtt(ulong seed)
    {
        var student = Teacher.Copy(teacher);
        using var moving = Teacher.Copy(teacher);
        using var task = new SdttTask(student, Teacher.Denoiser(student), moving, Teacher.Denoiser(moving), text.Rows, new SdttOptions
        {
            Steps = settings.SdttSteps,
            RoundCount = SdttRounds,
            TeacherStepCount = GuardedSteps << SdttRounds,
            BatchSize = 64,
            StudentLearningRate = 4e-4,
            Seed = seed,
        });
        return Run(task, student, 0);
    }

    private Student Run(DistillationTask task, LanguageModel student, long firstReading)
    {
        using var guard = IsGuarded ? new DistillationGuard(Teacher.Denoiser(teacher), text.Judge, new DistillationGuardOptions { Length = ChainText.Length, StepCount = GuardedSteps, FirstStep = firstReading }) : null;
        task.Guard = guard;
        using var trainer = new Trainer(task);
        trainer.Run(step => watch(step, guard?.Last is { } read && read.Step == step.Step ? read : null), cancellation);
        CheckpointLoader.Load(student, trainer.Average!.Tensors);
        return new Student(student, task.Ledger, trainer.Step, guard?.Last);
    }
}
