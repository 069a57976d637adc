using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>DiDi-Instruct: makes a few-step student of a masked-diffusion teacher by policy gradient on an integral KL divergence.</summary>
/// <remarks>
/// <para>Each step rolls the student out from all masks, corrupts its samples and reference rows at the same time tau, lets the
/// discriminator tell them apart, and moves the student along -w A ln p with the discriminator's log-ratio as reward, kept near the
/// teacher by KL and entropy terms. One forward of the student a rollout step; no dropout, so what is scored is what was drawn.</para>
/// <para>Not thread-safe. The modules stay the caller's; they end in evaluation mode.</para>
/// </remarks>
public sealed class DiDiInstructTrainer : IDisposable
{
    private readonly nn.Module studentModule;
    private readonly IDenoiser student;
    private readonly IDenoiser teacher;
    private readonly Discriminator discriminator;
    private readonly Func<long, Generator, Tensor> reference;
    private readonly DiDiInstructOptions options;
    private readonly NoiseSchedule schedule;
    private readonly Generator random;
    private readonly AdamW studentOptimizer;
    private readonly AdamW discriminatorOptimizer;
    private readonly LearningRateSchedule rates;

    /// <summary>Prepares a run.</summary>
    /// <param name="studentModule">The module that is trained, a copy of the teacher.</param>
    /// <param name="student">The same module as denoiser.</param>
    /// <param name="teacher">The frozen teacher.</param>
    /// <param name="discriminator">Tells reference rows from samples (<see cref="Discriminator.FromTeacher"/>).</param>
    /// <param name="reference">Makes so many clean rows (P, L) of training data, or of teacher samples; disposed here.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="schedule">The teacher's schedule; null for the log-linear one.</param>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    /// <exception cref="ArgumentException">Student and teacher differ in vocabulary or mask.</exception>
    public DiDiInstructTrainer(
        nn.Module studentModule,
        IDenoiser student,
        IDenoiser teacher,
        Discriminator discriminator,
        Func<long, Generator, Tensor> reference,
        DiDiInstructOptions? options = null,
        NoiseSchedule? schedule = null)
    {
        ArgumentNullException.ThrowIfNull(studentModule);
        ArgumentNullException.ThrowIfNull(student);
        ArgumentNullException.ThrowIfNull(teacher);
        ArgumentNullException.ThrowIfNull(discriminator);
        ArgumentNullException.ThrowIfNull(reference);
        this.options = options ?? new DiDiInstructOptions();
        if (this.options.GroupSize < 2)
            throw new ArgumentException($"group_size = {this.options.GroupSize}: a group of one has no advantage; use at least 2.", nameof(options));
        if (this.options.RolloutSteps < 2)
            throw new ArgumentException($"rollout_steps = {this.options.RolloutSteps}: a one-step rollout makes positions independent and collapses; use at least 2.", nameof(options));
        if (student.VocabSize != teacher.VocabSize || student.MaskId != teacher.MaskId)
            throw new ArgumentException($"The student has {student.VocabSize} tokens and mask {student.MaskId}, the teacher {teacher.VocabSize} and {teacher.MaskId}; they must agree.", nameof(student));
        this.studentModule = studentModule;
        this.student = student;
        this.teacher = teacher;
        this.discriminator = discriminator;
        this.reference = reference;
        this.schedule = schedule ?? new LogLinearSchedule();
        if (this.options.TrainedBlocks > 0)
            discriminator.FreezeAllBut(this.options.TrainedBlocks);
        random = new Generator(this.options.Seed);
        studentOptimizer = optim.AdamW(studentModule.parameters(), this.options.StudentLearningRate, weight_decay: 0);
        discriminatorOptimizer = optim.AdamW(discriminator.parameters().Where(parameter => parameter.requires_grad), this.options.DiscriminatorLearningRate, weight_decay: 0);
        rates = new LearningRateSchedule(LearningRateShape.Linear, this.options.WarmupSteps, this.options.DiscriminatorWarmup + this.options.Steps);
        Average = new WeightAverage(studentModule, this.options.AverageDecay);
    }

    /// <summary>The student's weight average, which is what is sampled from afterwards.</summary>
    public WeightAverage Average { get; }

    /// <summary>What the run has cost so far.</summary>
    public CallLedger Ledger { get; } = new();

    /// <summary>Steps done, discriminator warm-up included.</summary>
    public long Step { get; private set; }

    /// <summary>Runs to the end.</summary>
    /// <param name="progress">Told of every step, on this thread.</param>
    /// <param name="cancellation">Observed between steps.</param>
    /// <exception cref="TrainingDivergedException">A loss or gradient is not finite.</exception>
    public void Run(IProgress<DistillationStep>? progress = null, CancellationToken cancellation = default)
    {
        while (Step < options.DiscriminatorWarmup + options.Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            var done = Advance();
            progress?.Report(done);
        }
    }

    /// <summary>Takes one step.</summary>
    public DistillationStep Advance()
    {
        studentModule.eval();
        using var scope = NewDisposeScope();
        var learnsStudent = Step >= options.DiscriminatorWarmup;
        SetRates(rates.At(Step));
        using var rows = reference(options.GroupCount, random);
        MaskingProcess.CheckClean(rows, student.VocabSize, student.MaskId);
        if (rows.size(0) != options.GroupCount)
            throw new InvalidOperationException($"{rows.size(0)} reference rows came for {options.GroupCount} groups.");
        var real = rows.repeat_interleave(options.GroupSize, 0);
        var (times, chosen) = StudentRollout.DrawTimes(options, random);
        StudentRollout rollout;
        using (learnsStudent ? null : no_grad())
            rollout = StudentRollout.Walk(student, schedule, times.to(real.device), chosen.to(real.device), real.size(1), random);
        Ledger.DenoiserForwards += options.RolloutSteps;

        var level = NoiseSchedule.Map(rollout.Times, schedule.Sigma);
        var (corruptedReal, corruptedFake) = (Corrupt(real, rollout.Times), Corrupt(rollout.Tokens, rollout.Times));
        var (loss, accuracy) = TrainDiscriminator(corruptedReal, corruptedFake, level);
        Step++;
        if (!learnsStudent)
            return new DistillationStep(Step, loss, accuracy, null, null, null, null);
        var (studentLoss, reward, divergence, entropy) = TrainStudent(rollout, corruptedFake, level);
        Average.Update();
        return new DistillationStep(Step, loss, accuracy, studentLoss, reward, divergence, entropy);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Average.Dispose();
        studentOptimizer.Dispose();
        discriminatorOptimizer.Dispose();
        random.Dispose();
    }

    private (double Loss, double Accuracy) TrainDiscriminator(Tensor real, Tensor fake, Tensor level)
    {
        discriminator.train();
        discriminatorOptimizer.zero_grad();
        var (onReal, onFake) = (discriminator.call(real, level), discriminator.call(fake, level));
        var loss = options.LooksAtMaskedOnly
            ? DistillationLosses.Discriminator(onReal, onFake, options.LabelSmoothing, IsMasked(real), IsMasked(fake))
            : DistillationLosses.Discriminator(onReal, onFake, options.LabelSmoothing);
        loss.backward();
        Take(discriminatorOptimizer, discriminator, options.MaxDiscriminatorNorm, "discriminator");
        discriminator.eval();
        Ledger.DiscriminatorForwards += 2;
        Ledger.DiscriminatorBackwards += 2;
        var right = onReal.mean([1L]).gt(0).to(ScalarType.Float64).mean() + onFake.mean([1L]).lt(0).to(ScalarType.Float64).mean();
        return (loss.to(ScalarType.Float64).item<double>(), right.item<double>() / 2);
    }

    private (double Loss, double Reward, double Divergence, double Entropy) TrainStudent(StudentRollout rollout, Tensor fake, Tensor level)
    {
        Tensor reward;
        using (no_grad())
        {
            var logits = discriminator.call(fake, level);
            reward = options.LooksAtMaskedOnly ? DivergenceReward.OfMasked(logits, IsMasked(fake), options.RewardClip) : DivergenceReward.OfAll(logits, options.RewardClip);
        }
        Ledger.DiscriminatorForwards++;
        var advantage = GroupedRewardNormalization.Advantages(reward, options.GroupSize, options.AdvantageClip, options.DividesByDeviation);
        var weight = DistillationLosses.TimeWeight(schedule, rollout.Times).to(reward.dtype);
        var policy = DistillationLosses.PolicyGradient(weight, advantage, rollout.LogProbability);
        var (divergence, entropy) = (zeros_like(policy), zeros_like(policy));
        foreach (var (tokens, logProbabilities, stateLevel) in rollout.States)
        {
            Tensor target;
            using (no_grad())
                target = teacher.call(tokens, stateLevel);
            Ledger.TeacherForwards++;
            divergence = divergence + DistillationLosses.KullbackLeibler(target, logProbabilities, IsMasked(tokens));
            entropy = entropy + DistillationLosses.Entropy(logProbabilities, IsMasked(tokens)) / 2;
        }
        studentOptimizer.zero_grad();
        var loss = policy + divergence * options.DivergenceWeight - entropy * options.EntropyWeight;
        loss.backward();
        Ledger.DenoiserBackwards += options.RolloutSteps;
        Take(studentOptimizer, studentModule, options.MaxStudentNorm, "student");
        return (Number(loss), Number(reward.mean()), Number(divergence) / 2, Number(entropy));
    }

    private void Take(AdamW optimizer, nn.Module module, double maxNorm, string which)
    {
        var norm = GradientClipping.Apply(module.parameters(), 1, maxNorm);
        if (!double.IsFinite(norm))
            throw new TrainingDivergedException(Step + 1, $"gradient of the {which}", null);
        optimizer.step();
    }

    private Tensor Corrupt(Tensor tokens, Tensor times)
    {
        var uniforms = rand(tokens.shape, ScalarType.Float64, generator: random).to(tokens.device);
        return MaskingProcess.Corrupt(tokens, 1 - NoiseSchedule.Map(times, schedule.Alpha), student.MaskId, uniforms);
    }

    private Tensor IsMasked(Tensor tokens) => tokens.eq(student.MaskId);

    private void SetRates(double share)
    {
        foreach (var group in studentOptimizer.ParamGroups)
            group.LearningRate = options.StudentLearningRate * share;
        foreach (var group in discriminatorOptimizer.ParamGroups)
            group.LearningRate = options.DiscriminatorLearningRate * share;
    }

    private static double Number(Tensor value) => value.to(ScalarType.Float64).item<double>();
}
