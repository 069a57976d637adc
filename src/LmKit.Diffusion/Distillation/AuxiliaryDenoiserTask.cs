using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Distillation by distribution matching: a second denoiser learns the student's samples, and the student moves towards what
/// the teacher finds likelier than that denoiser does.</summary>
/// <remarks>
/// <para>Loss: - sum over positions masked in both x_tau and z_t of w sum_v p(v | x_tau) clamp(ln p_teacher(v | z_t) - ln f(v | z_t)),
/// over B, + beta KL(teacher || student) at x_tau. x_0 is drawn from p(. | x_tau) in one step and corrupted again at the same tau;
/// f learns from the same pairs. No discriminator, and no variance of a score function.</para>
/// <para>The learners are <c>student</c> and <c>auxiliary</c>.</para>
/// </remarks>
public sealed class AuxiliaryDenoiserTask : DistillationTask
{
    private readonly IDenoiser auxiliary;
    private readonly AuxiliaryDenoiserOptions options;
    private readonly Learner learner;
    private readonly LearningRateSchedule rates;

    /// <summary>Prepares a run.</summary>
    /// <param name="studentModule">The module that is trained, a copy of the teacher.</param>
    /// <param name="student">The same module as denoiser.</param>
    /// <param name="teacher">The frozen teacher, in evaluation mode.</param>
    /// <param name="auxiliaryModule">The module that learns the student's samples, another copy of the teacher.</param>
    /// <param name="auxiliary">The same module as denoiser.</param>
    /// <param name="reference">Makes so many clean rows (B, L) of training data; disposed here.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="schedule">The teacher's schedule; null for the log-linear one.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    /// <exception cref="ArgumentException">The networks differ in vocabulary or mask.</exception>
    public AuxiliaryDenoiserTask(
        nn.Module studentModule,
        IDenoiser student,
        IDenoiser teacher,
        nn.Module auxiliaryModule,
        IDenoiser auxiliary,
        Func<long, Generator, Tensor> reference,
        AuxiliaryDenoiserOptions? options = null,
        NoiseSchedule? schedule = null)
        : base(studentModule, student, teacher, reference, options = Checked(auxiliaryModule, auxiliary, teacher, options), schedule)
    {
        (this.auxiliary, this.options) = (auxiliary, options);
        learner = Helps("auxiliary", auxiliaryModule, options.AuxiliaryLearningRate, options.MaxAuxiliaryNorm);
        rates = new LearningRateSchedule(LearningRateShape.Linear, options.WarmupSteps, TotalSteps);
    }

    private protected override long TotalSteps => options.AuxiliaryWarmup + options.Steps;

    private protected override double Share(long step) => rates.At(step);

    private protected override void Distil(TrainingTurn turn)
    {
        learner.Module.eval();
        var learnsStudent = turn.Step >= options.AuxiliaryWarmup;
        var real = Reference(options.BatchSize);
        var tau = (rand(options.BatchSize, ScalarType.Float64, generator: Random) * (1 - 2 * options.TimeMargin) + options.TimeMargin).to(real.device);
        var level = Levels(tau);
        var weight = DistillationLosses.TimeWeight(Schedule, tau).unsqueeze(1); // (B, 1)
        var state = options.Start == RolloutStart.Data ? Corrupt(real, tau) : Roll(full_like(real, Student.MaskId), tau);
        Tensor logProbabilities;
        using (learnsStudent ? null : no_grad())
            logProbabilities = HalfPrecision.Widen(Student.call(state, level));
        Ledger.DenoiserForwards++;
        var uniforms = rand(logProbabilities.shape, ScalarType.Float64, generator: Random).to(real.device);
        var sample = CategoricalDraw.Sample(logProbabilities.detach().exp(), uniforms); // one-hot where revealed
        var corrupted = Corrupt(sample, tau);
        TrainAuxiliary(turn, sample, corrupted, level, weight);
        if (learnsStudent)
            TrainStudent(turn, state, corrupted, logProbabilities, level, weight);
    }

    private static AuxiliaryDenoiserOptions Checked(nn.Module auxiliaryModule, IDenoiser auxiliary, IDenoiser teacher, AuxiliaryDenoiserOptions? options)
    {
        ArgumentNullException.ThrowIfNull(auxiliaryModule);
        ArgumentNullException.ThrowIfNull(auxiliary);
        ArgumentNullException.ThrowIfNull(teacher);
        CheckScale("auxiliary", auxiliary, teacher);
        return auxiliary.VocabSize == teacher.VocabSize && auxiliary.MaskId == teacher.MaskId
            ? options ?? new AuxiliaryDenoiserOptions()
            : throw new ArgumentException($"The auxiliary denoiser has {auxiliary.VocabSize} tokens and mask {auxiliary.MaskId}, the teacher {teacher.VocabSize} and {teacher.MaskId}; they must agree.", nameof(auxiliary));
    }

    private Tensor Roll(Tensor tokens, Tensor tau)
    {
        using var frozen = no_grad();
        var times = linspace(0, 1, options.RolloutSteps + 1, ScalarType.Float64, tau.device).unsqueeze(0) * (tau - 1).unsqueeze(1) + 1; // (B, K + 1) from 1 to tau
        for (var k = 0; k < options.RolloutSteps; k++)
        {
            var (before, after) = (times.narrow(1, k, 1), times.narrow(1, k + 1, 1));
            var logProbabilities = Student.call(tokens, Levels(before.squeeze(1)));
            var weights = DiffusionSteps.Ancestral(logProbabilities, NoiseSchedule.Map(before, Schedule.Alpha), NoiseSchedule.Map(after, Schedule.Alpha), Student.MaskId);
            var uniforms = rand(weights.shape, ScalarType.Float64, generator: Random).to(tokens.device);
            tokens = where(IsMasked(tokens), CategoricalDraw.Sample(weights, uniforms), tokens);
            Ledger.DenoiserForwards++;
        }
        return tokens;
    }

    private void TrainAuxiliary(TrainingTurn turn, Tensor sample, Tensor corrupted, Tensor level, Tensor weight)
    {
        var picked = HalfPrecision.Widen(auxiliary.call(corrupted, level)).gather(-1, sample.unsqueeze(-1)).squeeze(-1); // (B, L), 0 where revealed
        var loss = (picked * weight.to(picked.dtype)).sum().neg() / sample.numel();
        Ledger.AuxiliaryForwards++;
        Ledger.AuxiliaryBackwards++;
        turn.Descend(learner, loss);
    }

    private void TrainStudent(TrainingTurn turn, Tensor state, Tensor corrupted, Tensor logProbabilities, Tensor level, Tensor weight)
    {
        Tensor advantage;
        using (no_grad())
            advantage = (AskTeacher(corrupted, level) - HalfPrecision.Widen(auxiliary.call(corrupted, level))).clamp(-options.AdvantageClip, options.AdvantageClip); // (B, L, V)
        Ledger.AuxiliaryForwards++;
        var gain = (logProbabilities.exp() * advantage).sum(-1) * weight.to(logProbabilities.dtype);
        var counted = IsMasked(state).logical_and(IsMasked(corrupted));
        var matching = where(counted, gain, zeros_like(gain)).sum().neg() / state.size(0);
        var divergence = DistillationLosses.KullbackLeibler(AskTeacher(state, level), logProbabilities, IsMasked(state));
        Ledger.DenoiserBackwards++;
        turn.Report("divergence", Number(divergence));
        turn.Report("entropy", Number(DistillationLosses.Entropy(logProbabilities.detach(), IsMasked(state))));
        turn.Descend(StudentLearner, matching + divergence * options.DivergenceWeight);
    }
}
