using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>DiDi-Instruct: makes a few-step student of a masked-diffusion teacher by policy gradient on an integral KL divergence.</summary>
/// <remarks>
/// <para>Each step rolls the student out to samples, corrupts them and reference rows at the same time tau, lets the discriminator tell
/// them apart, and moves the student along -w A ln p with the discriminator's log-ratio as reward, kept near the teacher by KL and
/// entropy terms. One forward of the student a rollout step; no dropout, so what is scored is what was drawn.</para>
/// <para>Besides what every distillation reports, a step reports <c>accuracy</c> (share of sequences that the discriminator put on the right side) and
/// <c>reward</c> (its mean). The learners are <c>student</c> and <c>discriminator</c>.</para>
/// </remarks>
public sealed class DiDiInstructTask : DistillationTask
{
    private readonly Discriminator discriminator;
    private readonly DiDiInstructOptions options;
    private readonly Learner judge;
    private readonly LearningRateSchedule rates;

    /// <summary>Prepares a run.</summary>
    /// <param name="studentModule">The module that is trained, a copy of the teacher.</param>
    /// <param name="student">The same module as denoiser.</param>
    /// <param name="teacher">The frozen teacher, in evaluation mode.</param>
    /// <param name="discriminator">Tells reference rows from samples (<see cref="Discriminator.FromTeacher"/>).</param>
    /// <param name="reference">Makes so many clean rows (P, L) of training data, or of teacher samples; disposed here.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="schedule">The teacher's schedule; null for the log-linear one.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    /// <exception cref="ArgumentException">Student and teacher differ in vocabulary or mask.</exception>
    public DiDiInstructTask(
        nn.Module studentModule,
        IDenoiser student,
        IDenoiser teacher,
        Discriminator discriminator,
        Func<long, Generator, Tensor> reference,
        DiDiInstructOptions? options = null,
        NoiseSchedule? schedule = null)
        : base(studentModule, student, teacher, reference, options = Checked(discriminator, options), schedule)
    {
        (this.discriminator, this.options) = (discriminator, options);
        if (options.TrainedBlocks > 0)
            discriminator.FreezeAllBut(options.TrainedBlocks);
        judge = Helps("discriminator", discriminator, options.DiscriminatorLearningRate, options.MaxDiscriminatorNorm, discriminator.Random);
        rates = new LearningRateSchedule(LearningRateShape.Linear, options.WarmupSteps, TotalSteps);
    }

    private protected override long TotalSteps => options.DiscriminatorWarmup + options.Steps;

    private protected override double Share(long step) => rates.At(step);

    private protected override void Distil(TrainingTurn turn)
    {
        var learnsStudent = turn.Step >= options.DiscriminatorWarmup;
        var real = Reference(options.GroupCount).repeat_interleave(options.GroupSize, 0);
        var (rollout, tau) = Roll(real, learnsStudent);
        var level = Levels(tau);
        var (corruptedReal, corruptedFake) = (Corrupt(real, tau), Corrupt(rollout.Tokens, tau));
        TrainDiscriminator(turn, corruptedReal, corruptedFake, level);
        if (learnsStudent)
            TrainStudent(turn, rollout, corruptedFake, tau, level);
    }

    private static DiDiInstructOptions Checked(Discriminator discriminator, DiDiInstructOptions? options)
    {
        ArgumentNullException.ThrowIfNull(discriminator);
        return options ?? new DiDiInstructOptions();
    }

    private (StudentRollout Rollout, Tensor Corruption) Roll(Tensor real, bool isScored)
    {
        var (drawn, corruption) = StudentRollout.DrawTimes(options, Random);
        var times = drawn.to(real.device);
        var tokens = full_like(real, Student.MaskId);
        if (options.Start == RolloutStart.Data)
            tokens = Corrupt(real, times.narrow(1, 0, 1).squeeze(1));
        else
            times = cat([ones(real.size(0), 1, dtype: ScalarType.Float64, device: real.device), times], 1);
        using var frozen = isScored ? null : no_grad();
        Ledger.DenoiserForwards += options.RolloutSteps;
        return (StudentRollout.Walk(Student, Schedule, Scale, tokens, times, Random), corruption.to(real.device));
    }

    private void TrainDiscriminator(TrainingTurn turn, Tensor real, Tensor fake, Tensor level)
    {
        discriminator.train();
        var (onReal, onFake) = (discriminator.call(real, level), discriminator.call(fake, level));
        var loss = options.LooksAtMaskedOnly
            ? DistillationLosses.Discriminator(onReal, onFake, options.LabelSmoothing, IsMasked(real), IsMasked(fake))
            : DistillationLosses.Discriminator(onReal, onFake, options.LabelSmoothing);
        turn.Descend(judge, loss);
        discriminator.eval();
        Ledger.DiscriminatorForwards += 2;
        Ledger.DiscriminatorBackwards += 2;
        var right = HalfPrecision.Widen(onReal).mean([1L]).gt(0).to(ScalarType.Float64).mean() + HalfPrecision.Widen(onFake).mean([1L]).lt(0).to(ScalarType.Float64).mean();
        turn.Report("accuracy", Number(right) / 2);
    }

    private void TrainStudent(TrainingTurn turn, StudentRollout rollout, Tensor fake, Tensor tau, Tensor level)
    {
        Tensor reward;
        using (no_grad())
        {
            var logits = discriminator.call(fake, level);
            reward = options.LooksAtMaskedOnly ? DivergenceReward.OfMasked(logits, IsMasked(fake), options.RewardClip) : DivergenceReward.OfAll(logits, options.RewardClip);
        }
        Ledger.DiscriminatorForwards++;
        var advantage = GroupedRewardNormalization.Advantages(reward, options.GroupSize, options.AdvantageClip, options.DividesByDeviation, options.LooksAtMaskedOnly ? IsMasked(fake).any(1) : null);
        var weight = DistillationLosses.TimeWeight(Schedule, tau).to(reward.dtype);
        var policy = DistillationLosses.PolicyGradient(weight, advantage, rollout.LogProbability);
        var (divergence, entropy) = (zeros_like(policy), zeros_like(policy));
        foreach (var (tokens, logProbabilities, stateLevel) in rollout.States)
        {
            divergence = divergence + DistillationLosses.KullbackLeibler(AskTeacher(tokens, stateLevel), logProbabilities, IsMasked(tokens));
            entropy = entropy + DistillationLosses.Entropy(logProbabilities, IsMasked(tokens)) / rollout.States.Length;
        }
        var loss = policy + divergence * options.DivergenceWeight - entropy * options.EntropyWeight;
        Ledger.DenoiserBackwards += options.RolloutSteps;
        turn.Descend(StudentLearner, loss);
        turn.Report("reward", Number(reward.mean()));
        turn.Report("divergence", Number(divergence) / rollout.States.Length);
        turn.Report("entropy", Number(entropy));
    }
}
