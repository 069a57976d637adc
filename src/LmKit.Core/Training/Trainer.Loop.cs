using System.Diagnostics;

namespace LmKit;

// The loop: data, a step, what is kept of it and who is told.
public sealed partial class Trainer
{
    // With waits nothing is awaited that is not complete, so all of it runs on the caller's thread.
    private async Task LoopAsync(Action<TrainingStep>? onStep, bool waits, CancellationToken cancellation, long most = long.MaxValue)
    {
        if (Interlocked.CompareExchange(ref runs, 1, 0) != 0)
            throw new InvalidOperationException($"The {nameof(Trainer)} is running; a run takes its steps one after another, so wait for it, or cancel it.");
        try
        {
            await TrainAsync(onStep, waits, most, cancellation).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref runs, 0);
        }
    }

    private async Task TrainAsync(Action<TrainingStep>? onStep, bool waits, long most, CancellationToken cancellation)
    {
        CheckAlive();
        var clock = Stopwatch.StartNew();
        var isWhole = most == long.MaxValue;
        if (isWhole && logger is not null)
            TrainerLog.Begins(logger, task.GetType().Name, string.Join(", ", learners.Select(run => run.Learner.Name)), Step, TotalSteps);
        SetMode(isTraining: true);
        try
        {
            SaveOwed();
            for (long taken = 0; !IsOver(taken > 0 ? clock.Elapsed : null) && taken < most; taken++)
            {
                ThrowIfCancelled(cancellation);
                OpenCurve();
                var before = clock.Elapsed;
                var next = NextAsync(cancellation);
                if (!(waits && !next.IsCompleted ? next.AsTask().GetAwaiter().GetResult() : await next.ConfigureAwait(false)))
                {
                    End = TrainingEnd.Data;
                    break;
                }
                Take(onStep, clock, before);
            }
            if (End is TrainingEnd.EarlyStop or TrainingEnd.Budget or TrainingEnd.Task or TrainingEnd.Data && Options.CheckpointFolder is not null && savedStep != Step)
                Save();
        }
        finally
        {
            EndTraining();
        }
        if (isWhole && logger is not null)
            TrainerLog.Ends(logger, Step, EndReason!);
    }

    private async ValueTask<bool> NextAsync(CancellationToken cancellation)
    {
        // What the task awaits does not ask for the caller's thread, which may be waiting for it here. The caller has its context back after this call.
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            return await task.NextAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            ThrowIfCancelled(cancellation);
            throw;
        }
    }

    private void ThrowIfCancelled(CancellationToken cancellation)
    {
        if (!cancellation.IsCancellationRequested)
            return;
        if (Options.CheckpointFolder is not null)
            Save();
        cancellation.ThrowIfCancellationRequested();
    }

    private bool IsOver(TimeSpan? used)
    {
        End = endReason is not null ? TrainingEnd.Task
            : Step >= TotalSteps ? TrainingEnd.Steps
            : HasStalled ? TrainingEnd.EarlyStop
            : used >= Options.MaxDuration ? TrainingEnd.Budget
            : null;
        return End is not null;
    }

    private void Take(Action<TrainingStep>? onStep, Stopwatch clock, TimeSpan before)
    {
        var done = Learn();
        var evaluation = Options.EvaluationInterval > 0 && (Step % Options.EvaluationInterval == 0 || Step == TotalSteps) ? Evaluate() : null;
        done = done with { Evaluation = evaluation, Elapsed = clock.Elapsed };
        var isBest = evaluation is not null && Note(evaluation.Value);
        if ((Options.CheckpointInterval > 0 && Step % Options.CheckpointInterval == 0) || (isBest && Options.KeepsBest))
            owedStep = Step;
        try
        {
            Append(done);
            Record(done, clock.Elapsed - before);
            if (evaluation is not null && logger is not null)
                TrainerLog.Evaluates(logger, Step, done.Loss, evaluation);
            if (onStep is not null)
                Tell(onStep, done);
        }
        catch
        {
            SaveOwedQuietly();
            throw;
        }
        SaveOwed(); // after the callback, which may change weights
    }

    // The fault of a callback, a logger or a full disk is what is told; the checkpoint that was due is kept none the less, now or when the run goes on.
    private void SaveOwedQuietly()
    {
        try
        {
            SaveOwed();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ObjectDisposedException or TrainingDivergedException)
        {
            // It stays due.
        }
    }

    // Within the gate, for Dispose closes the file.
    private void Append(TrainingStep done)
    {
        using var use = gate.Enter();
        curve?.Append(done);
    }

    // A callback that draws a sample may leave evaluation mode on, which would end dropout in silence.
    private void Tell(Action<TrainingStep> onStep, TrainingStep done)
    {
        bool[] modes = [.. learners.Select(run => run.Learner.Module.training)];
        onStep(done);
        foreach (var (run, isTraining) in learners.Zip(modes).Where(pair => pair.Second && IsResting(pair.First)))
            run.Learner.Module.train(isTraining);
    }

    private static bool IsResting(LearnerRun run)
    {
        try
        {
            return !run.Learner.Module.training;
        }
        catch (ObjectDisposedException)
        {
            return false; // the next step says so
        }
    }

    private void CheckAlive()
    {
        using var use = gate.Enter();
    }

    // Before data is asked for, which a fault here would cost.
    private void OpenCurve()
    {
        if (Options.LossCurveFile is not { } path || curve is not null)
            return;
        using var use = gate.Enter();
        (curve, var aside) = LossCurve.Open(path, Step);
        if (aside is not null && logger is not null)
            TrainerLog.SetsAside(logger, path, aside);
    }

    private void CloseCurve()
    {
        curve?.Dispose();
        curve = null;
    }
}
