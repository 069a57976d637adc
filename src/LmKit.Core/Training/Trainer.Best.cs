using static TorchSharp.torch;

namespace LmKit;

// What evaluations decide: the best step, and whether the run still improves.
public sealed partial class Trainer
{
    private const string EvaluationsState = "evaluations";

    private double lastImprovement;
    private long waited; // evaluations since then
    private long savedBest; // the step of the best at the last checkpoint
    private bool isBestLost; // it was not kept

    /// <summary>The step with the lowest evaluation so far; null before there is one, and until <see cref="TrainingOptions.KeepsBest"/> or
    /// <see cref="TrainingOptions.Patience"/> is set.</summary>
    /// <remarks>Where <see cref="TrainingOptions.KeepsBest"/> is set for a run that was begun without it, and that step's checkpoint is not there
    /// any more, the next evaluation takes its place.</remarks>
    public TrainingBest? Best { get; private set; }

    private bool HasStalled => Options.Patience > 0 && waited >= Options.Patience;

    /// <summary>Puts the weights of the best step into the modules; where an average is kept, the main learner's average, which is what was evaluated.</summary>
    /// <returns>False when nothing has been evaluated yet.</returns>
    /// <remarks>The optimizers stay where they are: <see cref="Resume"/> goes back to the run's newest step.</remarks>
    /// <exception cref="InvalidOperationException"><see cref="TrainingOptions.KeepsBest"/> is not set.</exception>
    /// <exception cref="CheckpointException">The best step's checkpoint is damaged or gone.</exception>
    public bool LoadBest()
    {
        if (!Options.KeepsBest)
            throw new InvalidOperationException($"{nameof(TrainingOptions)}.{nameof(TrainingOptions.KeepsBest)} is not set, so no best checkpoint is kept.");
        if (Best is not { } best)
            return false;
        using var use = gate.Enter();
        using var moduleUse = UseGate.Enter(Main.Learner.Module);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (folder, saved) = Checkpoints.Open(Identity(), MaxStep, best.Step) is { } found
            ? (found.Report.Folder, found.Parts)
            : throw new CheckpointException(CheckpointFolder, null, $"the checkpoint of step {best.Step}, the best one, is gone.");
        foreach (var run in learners)
            Check(run, folder, saved);
        foreach (var run in learners)
        {
            CheckpointLoader.Load(run.Learner.Module, saved[run.Learner.Name]);
            if (!run.IsMain || run.Average is null)
                continue;
            var averages = saved[AveragePart(run)];
            foreach (var (name, parameter) in run.Learner.Module.named_parameters().Where(pair => averages.ContainsKey(pair.name)))
                parameter.copy_(averages[name]);
            IPreparedWeights.ForgetAll(run.Learner.Module);
        }
        return true;
    }

    private Estimate? Evaluate()
    {
        using var use = gate.Enter();
        using var moduleUse = UseGate.Enter(Main.Learner.Module);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        SetMode(isTraining: false);
        using var average = Average?.Swap();
        var loss = task.Evaluate();
        SetMode(isTraining: true);
        return loss;
    }

    /// <summary>Takes note of an evaluation.</summary>
    /// <returns>Whether it is the best so far.</returns>
    private bool Note(double value)
    {
        if (!Options.KeepsBest && Options.Patience == 0 && Best is null)
            return false;
        var isBest = double.IsFinite(value) && (Best is null || isBestLost || value < Best.Evaluation);
        var improves = double.IsFinite(value) && (Best is null || (value < lastImprovement && lastImprovement - value >= Options.MinImprovement));
        (lastImprovement, waited) = improves ? (value, 0) : (lastImprovement, waited + 1);
        if (isBest)
            (Best, isBestLost) = (new TrainingBest(Step, value), false);
        return isBest;
    }

    // The best step (0 for none), its evaluation, the last improvement, evaluations since.
    private Tensor Evaluations() => tensor(new double[] { Best?.Step ?? 0, Best?.Evaluation ?? 0, lastImprovement, waited });

    private void RestoreEvaluations(Tensor saved)
    {
        var values = saved.data<double>().ToArray();
        Best = values[0] > 0 ? new TrainingBest((long)values[0], values[1]) : null;
        (lastImprovement, waited, savedBest) = (values[2], (long)values[3], (long)values[0]);
        isBestLost = Options.KeepsBest && Best is not null && !Checkpoints.Has(Best.Step);
    }

    private static void CheckEvaluations(string folder, Tensor saved, long step)
    {
        var values = saved.data<double>().ToArray();
        if (new[] { values[0], values[3] }.Any(count => count < 0 || count > step || count != Math.Floor(count)))
            throw new CheckpointException(folder, EvaluationsState, $"it is [{string.Join(", ", values)}]; the best step and the evaluations since the last improvement are whole numbers from 0 to {step}.");
    }
}

/// <summary>The step of a run with the lowest evaluation.</summary>
/// <param name="Step">The step.</param>
/// <param name="Evaluation">Its held-out loss.</param>
public sealed record TrainingBest(long Step, double Evaluation);
