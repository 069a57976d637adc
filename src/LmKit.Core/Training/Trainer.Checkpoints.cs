using System.Globalization;
using static TorchSharp.torch;

namespace LmKit;

// What a checkpoint holds and what tells one run from another.
public sealed partial class Trainer
{
    private const string HeaderFile = "trainer.json";
    private const string ProgressPart = "progress";
    private const string RunPart = "run";

    private long savedStep = -1;
    private long owedStep = -1; // due, and perhaps not written

    /// <summary>What the last <see cref="Resume"/> took and what it passed over as damaged; null before.</summary>
    public ResumeReport? Resumed { get; private set; }

    private string CheckpointFolder => Options.CheckpointFolder
        ?? throw new InvalidOperationException($"{nameof(TrainingOptions)}.{nameof(TrainingOptions.CheckpointFolder)} is not set.");

    private RunCheckpoints Checkpoints => new(
        CheckpointFolder,
        HeaderFile,
        [ProgressPart, RunPart, .. learners.SelectMany(run => Parts(run).Select(part => part.Name))],
        [AveragePart(Main), MastersPart(Main)]);

    // Where the schedule does not read the number of steps, a run may be longer than the one that it continues, or shorter.
    private long MaxStep => task.Steps is null && Unread.Contains("steps") ? long.MaxValue : TotalSteps;

    private IReadOnlyCollection<string> Unread => Options.Unread([.. learners.Select(run => run.Learner)]);

    /// <summary>Writes a checkpoint into the checkpoint folder, keeping the one before it too, and the best one where that is asked for.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="InvalidOperationException">No checkpoint folder is set.</exception>
    /// <exception cref="TrainingDivergedException">A weight, an average or a moment is not finite; the checkpoints that are there stay.</exception>
    public string Save()
    {
        using var use = gate.Enter();
        using var moduleUse = UseGate.Enter(Main.Learner.Module);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var parts = learners.SelectMany(Parts).ToDictionary(part => part.Name, part => part.Tensors());
        parts[ProgressPart] = task.Progress();
        parts[RunPart] = Counts();
        var folder = Checkpoints.Save(new RunHeader(Step, Identity(), endReason, new Dictionary<string, string>()), parts, Options.KeepsBest ? [savedBest, Best?.Step ?? 0] : []);
        (savedStep, savedBest) = (Step, Best?.Step ?? 0);
        if (logger is not null)
            TrainerLog.Saves(logger, Step, folder);
        return folder;
    }

    /// <summary>Continues from the newest whole checkpoint in the checkpoint folder; <see cref="Resumed"/> tells which it was and what was
    /// damaged.</summary>
    /// <returns>False when there is none.</returns>
    /// <remarks>Everything is checked before anything is changed: after an exception the run is as it was.</remarks>
    /// <exception cref="CheckpointMismatchException">The newest checkpoint is of another model, run or version.</exception>
    /// <exception cref="CheckpointException">There are checkpoints, and all of them are damaged.</exception>
    public bool Resume()
    {
        using var use = gate.Enter();
        using var moduleUse = UseGate.Enter(Main.Learner.Module);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        if (Checkpoints.Open(Identity(), MaxStep) is not { } found)
            return false;
        var (folder, saved) = (found.Report.Folder, found.Parts);
        foreach (var run in learners)
            Check(run, folder, saved);
        var counts = saved[RunPart];
        CheckCounts(folder, counts, found.Header.Step);
        task.Restore(saved[ProgressPart]); // the one step that checks and changes at once comes before those that cannot fail
        foreach (var run in learners)
            Restore(run, saved, counts);
        RestoreEvaluations(counts[EvaluationsState]);
        (Step, savedStep, owedStep, endReason, End, Resumed) = (found.Header.Step, found.Header.Step, -1, found.Header.End, null, found.Report);
        CloseCurve();
        Tell(found.Report);
        return true;
    }

    // A checkpoint that was due is written even when a fault came first.
    private void SaveOwed()
    {
        if (owedStep == Step && savedStep != Step)
            Save();
    }

    private static string OptimizerPart(LearnerRun run) => $"{run.Learner.Name}.optimizer";

    private static string MastersPart(LearnerRun run) => $"{run.Learner.Name}.masters";

    private static string AveragePart(LearnerRun run) => $"{run.Learner.Name}.average";

    private static string UpdatesCount(LearnerRun run) => $"{run.Learner.Name}.average_updates";

    private static IEnumerable<(string Name, Func<IReadOnlyDictionary<string, Tensor>> Tensors)> Parts(LearnerRun run)
    {
        yield return (run.Learner.Name, () => ModuleTensors.Of(run.Learner.Module));
        yield return (OptimizerPart(run), run.Optimizer.State);
        if (run.Optimizer.Masters.Any)
            yield return (MastersPart(run), () => run.Optimizer.Masters.Tensors);
        if (run.Average is { } average)
            yield return (AveragePart(run), () => average.Tensors);
    }

    private static void Check(LearnerRun run, string folder, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> saved)
    {
        CheckpointLoader.Check(run.IsMain ? folder : $"{run.Learner.Name} of {folder}", ModuleTensors.Of(run.Learner.Module), saved[run.Learner.Name]);
        run.Optimizer.Check(saved[OptimizerPart(run)]);
        run.Average?.Check(saved[AveragePart(run)]);
        if (run.Optimizer.Masters.Any)
            run.Optimizer.Masters.Check($"{MastersPart(run)} of {folder}", saved[MastersPart(run)]);
    }

    private static void Restore(LearnerRun run, IReadOnlyDictionary<string, IReadOnlyDictionary<string, Tensor>> saved, IReadOnlyDictionary<string, Tensor> counts)
    {
        CheckpointLoader.Load(run.Learner.Module, saved[run.Learner.Name]);
        run.Optimizer.Restore(saved[OptimizerPart(run)]);
        run.Average?.Restore(saved[AveragePart(run)], counts[UpdatesCount(run)].item<long>());
        if (run.Optimizer.Masters.Any)
            run.Optimizer.Masters.Restore(saved[MastersPart(run)]);
    }

    private void Tell(ResumeReport report)
    {
        if (logger is null)
            return;
        if (task.Identity().Entries.Count == 1)
            TrainerLog.NamesNoData(logger, task.GetType().Name);
        foreach (var damaged in report.Damaged)
            TrainerLog.PassesOver(logger, damaged.Folder, damaged.Reason);
        TrainerLog.Resumes(logger, report.Step, report.Folder);
    }

    private Dictionary<string, Tensor> Counts()
    {
        var counts = learners.Where(run => run.Average is not null).ToDictionary(UpdatesCount, run => tensor(run.Average!.UpdateCount));
        counts[EvaluationsState] = Evaluations();
        return counts;
    }

    private void CheckCounts(string folder, IReadOnlyDictionary<string, Tensor> saved, long step)
    {
        CheckpointLoader.Check($"{RunPart} of {folder}", Counts(), saved);
        CheckEvaluations(folder, saved[EvaluationsState], step);
        foreach (var (name, value) in saved.Where(pair => pair.Key != EvaluationsState))
        {
            if (value.item<long>() is var count && count < 0)
                throw new CheckpointException(folder, name, $"it is {count}; it counts up from 0.");
        }
    }

    private RunIdentity Identity()
    {
        var identity = task.Identity().AddOptions(Options, except: Unread);
        foreach (var run in learners)
        {
            var learner = run.Learner;
            identity.AddModule(learner.Module, learner.Name);
            foreach (var (name, value) in learner.Recipe().Where(entry => entry.Value is not null))
                identity.Add($"{learner.Name}.{name}", value);
            foreach (var group in DecayGroups.Of(learner.Module, Options.DecayScope))
            {
                foreach (var (name, _) in group.Parameters.Where(entry => group.Hint != DecayGroups.Usual(entry.Parameter)))
                    identity.Add($"{(run.IsMain ? "" : learner.Name + ".")}hint.{name}", string.Create(CultureInfo.InvariantCulture, $"{group.Hint.LearningRateScale} x the rate, at most {group.Hint.MaxLearningRate?.ToString(CultureInfo.InvariantCulture) ?? "any"}, {(group.Hint.Decays == true ? "decays" : "does not decay")}"));
            }
        }
        return identity;
    }
}
