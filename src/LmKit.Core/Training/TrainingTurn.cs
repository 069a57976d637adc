using System.Globalization;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>One step of a run, as its task sees it: steps learners down their losses and gathers what the step reports.</summary>
/// <remarks>Serves the call it is handed to.</remarks>
public sealed class TrainingTurn
{
    private readonly Trainer trainer;
    private readonly Dictionary<string, double> figures = [];
    private double loss = double.NaN;
    private long count;
    private double norm;

    internal TrainingTurn(Trainer trainer) => this.trainer = trainer;

    /// <summary>Steps done before this one.</summary>
    public long Step => trainer.Step;

    /// <summary>Steps of the whole run.</summary>
    public long TotalSteps => trainer.TotalSteps;

    /// <summary>Why the task ends the run with this step, or null.</summary>
    internal string? EndReason { get; private set; }

    /// <summary>Takes one optimizer step of a learner down a loss.</summary>
    /// <param name="learner">One of the task's <see cref="ITrainingTask.Learners"/>.</param>
    /// <param name="loss">A 0-d tensor with its graph.</param>
    /// <returns>The loss's value.</returns>
    /// <exception cref="TrainingDivergedException">The loss or a gradient is not finite; the learner is as before.</exception>
    public double Descend(Learner learner, Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(learner);
        ArgumentNullException.ThrowIfNull(loss);
        var run = trainer.Find(learner);
        using var use = UseGate.Enter(learner.Module);
        using var scope = NewDisposeScope();
        var value = Value(run, loss.detach());
        run.Optimizer.Begin();
        loss.Backward();
        run.Optimizer.Masters.TakeGradients();
        var length = Finish(run, 1);
        if (run.IsMain)
            (this.loss, norm) = (value, length);
        else
            Report($"loss.{learner.Name}", value);
        trainer.Record(learner, value);
        return value;
    }

    /// <summary>The average of a learner's weights, or null where none is kept.</summary>
    /// <param name="learner">One of the task's learners.</param>
    public WeightAverage? Average(Learner learner)
    {
        ArgumentNullException.ThrowIfNull(learner);
        return trainer.Find(learner).Average;
    }

    /// <summary>Reports a figure of this step (<see cref="TrainingStep.Figures"/>).</summary>
    public void Report(string name, double value)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        figures[name] = value;
    }

    /// <summary>Ends the run with this step; checkpoints remember it.</summary>
    /// <param name="reason">Why, as a sentence.</param>
    public void End(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        EndReason = reason;
    }

    /// <summary>Takes one optimizer step of a task of one loss, over the run's micro-batches.</summary>
    internal void Descend(ILossTask task)
    {
        var run = trainer.Main;
        var masters = run.Optimizer.Masters;
        run.Optimizer.Begin();
        var sum = 0.0;
        for (var micro = 0; micro < trainer.Options.AccumulationCount; micro++)
        {
            using var inner = NewDisposeScope();
            var part = task.NextLoss();
            var value = Value(run, part.Sum);
            part.Sum.Backward();
            (sum, count) = (sum + value, count + part.Count);
            if (masters.Any)
            {
                task.PrepareGradients();
                masters.TakeGradients();
            }
        }
        if (!masters.Any)
            task.PrepareGradients();
        norm = Finish(run, 1.0 / Math.Max(1, count));
        loss = sum / Math.Max(1, count);
    }

    internal TrainingStep Result(long step) =>
        new(step, TotalSteps, loss, count, norm, trainer.Main.Rate * trainer.Main.Schedule(step - 1), null, TimeSpan.Zero) { Figures = figures };

    private double Value(LearnerRun run, Tensor loss)
    {
        var value = loss.to(ScalarType.Float64).item<double>();
        return double.IsFinite(value) ? value : throw trainer.Diverged("loss", run);
    }

    private double Finish(LearnerRun run, double scale)
    {
        var length = run.Optimizer.Clip(scale);
        if (!double.IsFinite(length))
            throw trainer.Diverged("gradient", run);
        run.Optimizer.Step(Share(run));
        run.Average?.Update();
        return length;
    }

    private double Share(LearnerRun run) => run.Schedule(Step) is var share && double.IsFinite(share) && share >= 0
        ? share
        : throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"The {nameof(Learner.Schedule)} of the {run.Learner.Name} is {share} at step {Step + 1}; a share of the peak rate is a finite number from 0 on."));
}

/// <summary>A learner in a run: what steps it and its average.</summary>
internal sealed record LearnerRun(Learner Learner, LearnerOptimizer Optimizer, WeightAverage? Average, double Rate, Func<long, double> Schedule, bool IsMain);
