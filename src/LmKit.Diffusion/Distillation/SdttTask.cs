using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Self-distillation through time: each round's student learns to do in one step what its teacher does in two.</summary>
/// <remarks>
/// <para>Reference rows are corrupted at t; the teacher takes two ancestral steps of 2^round / N from there; the target of a position is
/// the teacher's distribution at the step that revealed it, or at the last step if none did. After a round the student's average
/// becomes the teacher. The steps of all rounds count as one run.</para>
/// <para>The one learner is <c>student</c>; the teacher's parameters change. Besides what every distillation reports, a step reports
/// <c>round</c>, from 0.</para>
/// </remarks>
public sealed class SdttTask : DistillationTask
{
    private const int TeacherSteps = 2;

    private readonly nn.Module teacherModule;
    private readonly SdttOptions options;

    /// <summary>Prepares a run.</summary>
    /// <param name="studentModule">The module that is trained, a copy of the teacher.</param>
    /// <param name="student">The same module as denoiser.</param>
    /// <param name="teacherModule">The first teacher; it takes over the student's average after each round.</param>
    /// <param name="teacher">The same module as denoiser.</param>
    /// <param name="reference">Makes so many clean rows (B, L) of training data; disposed here.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="schedule">The teacher's schedule; null for the log-linear one.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    /// <exception cref="ArgumentException">The networks differ in vocabulary or mask, or the rounds leave less than one step.</exception>
    public SdttTask(nn.Module studentModule, IDenoiser student, nn.Module teacherModule, IDenoiser teacher, Func<long, Generator, Tensor> reference, SdttOptions? options = null, NoiseSchedule? schedule = null)
        : base(studentModule, student, teacher, reference, options = Checked(teacherModule, options), schedule)
    {
        (this.teacherModule, this.options) = (teacherModule, options);
        teacherModule.eval();
        Accompanies("teacher", teacherModule);
    }

    private protected override long TotalSteps => options.RoundCount * options.Steps;

    private protected override double Share(long step) => options.WarmupSteps > 0 ? Math.Min(1, (step + 1.0) / options.WarmupSteps) : 1;

    private protected override void Distil(TrainingTurn turn)
    {
        if (turn.Step > 0 && turn.Step % options.Steps == 0)
            BecomeTeacher(turn);
        var round = turn.Step / options.Steps;
        var stride = Math.Pow(2, round) / options.TeacherStepCount;
        var real = Reference(options.BatchSize);
        var start = (rand(options.BatchSize, ScalarType.Float64, generator: Random) * (1 - TeacherSteps * stride) + TeacherSteps * stride).to(real.device);
        var state = Corrupt(real, start);
        var target = Target(state, start, stride);
        var logProbabilities = HalfPrecision.Widen(Student.call(state, Levels(start)));
        var isMasked = IsMasked(state);
        var loss = DistillationLosses.Of(options.Divergence, target, logProbabilities, isMasked);
        Ledger.DenoiserForwards++;
        Ledger.DenoiserBackwards++;
        turn.Report("round", round);
        turn.Report("divergence", Number(DistillationLosses.KullbackLeibler(target, logProbabilities.detach(), isMasked)));
        turn.Report("entropy", Number(DistillationLosses.Entropy(logProbabilities.detach(), isMasked)));
        turn.Descend(StudentLearner, loss);
    }

    private static SdttOptions Checked(nn.Module teacherModule, SdttOptions? options)
    {
        ArgumentNullException.ThrowIfNull(teacherModule);
        options ??= new SdttOptions();
        return options.TeacherStepCount >> options.RoundCount >= 1
            ? options
            : throw new ArgumentException($"{nameof(SdttOptions)}.{nameof(options.RoundCount)} = {options.RoundCount} halves {nameof(options.TeacherStepCount)} = {options.TeacherStepCount} below one step; take fewer rounds.", nameof(options));
    }

    private Tensor Target(Tensor tokens, Tensor start, double stride)
    {
        using var frozen = no_grad();
        var end = start - TeacherSteps * stride;
        Tensor? target = null;
        for (var k = 0; k < TeacherSteps; k++)
        {
            var (before, after) = (SubTime(start, end, k), SubTime(start, end, k + 1));
            var logProbabilities = AskTeacher(tokens, Levels(before));
            target = target is null ? logProbabilities : where(IsMasked(tokens).unsqueeze(-1), logProbabilities, target);
            var weights = DiffusionSteps.Ancestral(logProbabilities, Clean(before), Clean(after), Student.MaskId);
            var uniforms = rand(weights.shape, ScalarType.Float64, generator: Random).to(tokens.device);
            tokens = where(IsMasked(tokens), CategoricalDraw.Sample(weights, uniforms), tokens);
        }
        return target!;
    }

    // c runs from 1 to 0 over the teacher's steps.
    private Tensor SubTime(Tensor start, Tensor end, int k)
    {
        var c = 1 - (double)k / TeacherSteps;
        return (start * c + end * (options.UsesPublishedTimes ? 1 - start : tensor(1 - c, ScalarType.Float64, start.device))).clamp(0, 1);
    }

    private Tensor Clean(Tensor times) => NoiseSchedule.Map(times, Schedule.Alpha).unsqueeze(1);

    private void BecomeTeacher(TrainingTurn turn)
    {
        using var average = turn.Average(StudentLearner)!.Swap();
        CheckpointLoader.Load(teacherModule, ModuleTensors.Of(StudentLearner.Module));
    }
}
