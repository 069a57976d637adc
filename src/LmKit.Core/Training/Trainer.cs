using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Runs a task's steps: micro-batches, AdamW with clipping and a learning-rate schedule, weight averages, evaluations, checkpoints.</summary>
/// <remarks>
/// <para>One thread at a time. A run that is restored from a checkpoint repeats the uninterrupted run bit for bit on the
/// same machine, thread count and library version. A checkpoint of another run (<see cref="RunIdentity"/>) is refused.</para>
/// <para>Parameters of bfloat16 are trained through float32 copies, which checkpoints hold too; float16 is refused.</para>
/// </remarks>
public sealed partial class Trainer : IDisposable
{
    private readonly ITrainingTask task;
    private readonly List<LearnerRun> learners = [];
    private readonly UseGate gate = new(nameof(Trainer));
    private readonly ILogger<Trainer>? logger;
    private LossCurve? curve;
    private string? endReason; // the task's
    private int runs; // now, at most one

    /// <summary>Prepares a run; move the modules to their device first.</summary>
    /// <param name="task">What is done in a step.</param>
    /// <param name="options">The run's recipe; not changed, and not to be changed while the run lasts.</param>
    /// <param name="logger">Told of the beginning and the end, evaluations, checkpoints and divergence; null for none.</param>
    /// <param name="meters">Makes the meter <c>LmKit.Core</c>; null for the one of the process.</param>
    /// <exception cref="ConfigurationException">An option is out of range or has no effect, or a parameter is of float16.</exception>
    /// <exception cref="ArgumentException">A module has no parameter to train, or the learners' names are not distinct.</exception>
    /// <exception cref="InvalidOperationException">A part cannot be trained as it stands, such as an adapter that is merged; names it.</exception>
    public Trainer(ITrainingTask task, TrainingOptions? options = null, ILogger<Trainer>? logger = null, IMeterFactory? meters = null)
    {
        ArgumentNullException.ThrowIfNull(task);
        options ??= new TrainingOptions();
        Learner[] all = [.. task.Learners];
        if (all.Length == 0 || all.DistinctBy(learner => learner.Name, StringComparer.OrdinalIgnoreCase).Count() < all.Length)
            throw new ArgumentException($"A task has one learner or several of different names, and small and capital letters name one file; {task.GetType().Name} has [{string.Join(", ", all.Select(learner => learner.Name))}].", nameof(task));
        options.Check(task, all);
        (this.task, Options, this.logger) = (task, options, logger);
        var meter = meters?.Create(Meters) ?? shared;
        (tokens, losses, durations) = (CountTokens(meter), MeasureLosses(meter), MeasureDurations(meter));
        TotalSteps = task.Steps ?? options.Steps;
        var schedule = new LearningRateSchedule(options.Shape, options.WarmupSteps, TotalSteps, options.FinalShare, options.CycleCount);
        try
        {
            foreach (var learner in all)
                learners.Add(Prepare(learner, schedule));
        }
        catch
        {
            Free();
            throw;
        }
    }

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Steps of the whole run.</summary>
    public long TotalSteps { get; }

    /// <summary>The main learner's weight average, or null when none is kept.</summary>
    public WeightAverage? Average => Main.Average;

    /// <summary>Why the last call of <see cref="Run(Action{TrainingStep}, CancellationToken)"/> or <see cref="Advance"/> took no further step; null
    /// while there are steps to take.</summary>
    public TrainingEnd? End { get; private set; }

    /// <summary>The same in words.</summary>
    public string? EndReason => End switch
    {
        null => null,
        TrainingEnd.Task => endReason,
        TrainingEnd.Data => $"The data ended after step {Step}.",
        TrainingEnd.EarlyStop => $"{waited} evaluations in a row brought no improvement.",
        TrainingEnd.Budget => $"The time of {Options.MaxDuration} is over.",
        _ => $"All {TotalSteps} steps are done.",
    };

    internal TrainingOptions Options { get; }

    internal LearnerRun Main => learners[0];

    /// <summary>Trains to the end; the modules end in evaluation mode.</summary>
    /// <param name="onStep">Called after every step, on the thread that trains.</param>
    /// <param name="cancellation">Observed between steps; a checkpoint is kept first where a folder is set.</param>
    /// <exception cref="TrainingDivergedException">A loss or gradient is not finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; training can be run on from where it stands.</exception>
    public void Run(Action<TrainingStep>? onStep = null, CancellationToken cancellation = default) =>
        LoopAsync(onStep, waits: true, cancellation).GetAwaiter().GetResult();

    /// <summary>Trains to the end; the modules end in evaluation mode.</summary>
    /// <param name="progress">Told of every step, on the thread that trains; a <see cref="Progress{T}"/> passes it on to where it was made, later and in any order.</param>
    /// <param name="cancellation">Observed between steps; a checkpoint is kept first where a folder is set.</param>
    /// <inheritdoc cref="Run(Action{TrainingStep}, CancellationToken)"/>
    public void Run(IProgress<TrainingStep> progress, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(progress);
        Run(progress.Report, cancellation);
    }

    /// <summary>Trains to the end on threads of the pool; waits for data without holding one.</summary>
    /// <inheritdoc cref="Run(Action{TrainingStep}, CancellationToken)"/>
    public Task RunAsync(Action<TrainingStep>? onStep = null, CancellationToken cancellation = default) =>
        Task.Run(() => LoopAsync(onStep, waits: false, cancellation), CancellationToken.None);

    /// <summary>Takes one step, with the evaluation and the checkpoint that are due; the modules are in evaluation mode afterwards.</summary>
    /// <returns>What it did; null when there is none left to take, of which <see cref="End"/> tells the reason.</returns>
    /// <inheritdoc cref="Run(Action{TrainingStep}, CancellationToken)"/>
    public TrainingStep? Advance(CancellationToken cancellation = default)
    {
        TrainingStep? done = null;
        LoopAsync(step => done = step, waits: true, cancellation, 1).GetAwaiter().GetResult();
        return done;
    }

    /// <summary>Frees optimizers, float32 copies and averages; waits for a running step.</summary>
    public void Dispose() => gate.Close(Free);

    internal LearnerRun Find(Learner learner) =>
        learners.Find(run => ReferenceEquals(run.Learner.Module, learner.Module) && run.Learner.Name == learner.Name)
        ?? throw new ArgumentException($"The learner '{learner.Name}' is not one of the task's when the run began: {string.Join(", ", learners.Select(run => run.Learner.Name))}.", nameof(learner));

    internal TrainingDivergedException Diverged(string quantity, LearnerRun run)
    {
        var error = new TrainingDivergedException(Step + 1, learners.Count == 1 ? quantity : $"{quantity} of the {run.Learner.Name}", Options.CheckpointFolder is null ? null : Checkpoints.Latest());
        if (logger is not null)
            TrainerLog.Diverges(logger, error.Message);
        return error;
    }

    private LearnerRun Prepare(Learner learner, LearningRateSchedule schedule)
    {
        Learner.CheckTrainable(learner.Module);
        var optimizer = learner.Optimizer?.Invoke() ?? new AdamWOptimizer(learner, Options);
        var isMain = learners.Count == 0;
        double? decay = learner.AverageDecay ?? (isMain && Options.AverageDecay > 0 ? Options.AverageDecay : null);
        var average = decay is { } kept ? new WeightAverage(learner.Module, kept, optimizer.Masters) : null;
        return new LearnerRun(learner, optimizer, average, learner.LearningRate ?? Options.LearningRate, learner.Schedule ?? schedule.At, isMain);
    }

    private TrainingStep Learn()
    {
        using var use = gate.Enter();
        using var moduleUse = UseGate.Enter(Main.Learner.Module);
        using var scope = NewDisposeScope();
        using var recorded = RecordGradients();
        var turn = new TrainingTurn(this);
        task.Learn(turn);
        Step++;
        endReason = turn.EndReason;
        return turn.Result(Step);
    }

    // On this thread, also inside no_grad.
    private static IDisposable RecordGradients() => is_inference_mode_enabled()
        ? throw new InvalidOperationException("Training was called inside torch.inference_mode(), where no gradient can be recorded; end that mode first, or use no_grad, which training overrides.")
        : enable_grad();

    private void SetMode(bool isTraining)
    {
        foreach (var run in learners)
            run.Learner.Module.train(isTraining);
    }

    private void EndTraining()
    {
        try
        {
            SetMode(isTraining: false);
        }
        catch (ObjectDisposedException)
        {
            // A module is gone, and what ended the run says so.
        }
    }

    private void Free()
    {
        CloseCurve();
        foreach (var run in learners)
        {
            run.Optimizer.Dispose();
            run.Average?.Dispose();
        }
    }
}

/// <summary>Why a run took no further step.</summary>
public enum TrainingEnd
{
    /// <summary>All steps are done.</summary>
    Steps,

    /// <summary>The data ended.</summary>
    Data,

    /// <summary>Evaluations brought no improvement (<see cref="TrainingOptions.Patience"/>).</summary>
    EarlyStop,

    /// <summary>Its time is over (<see cref="TrainingOptions.MaxDuration"/>); another call continues it.</summary>
    Budget,

    /// <summary>The task ended it, such as the guard of a distillation.</summary>
    Task,
}
