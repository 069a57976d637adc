using System.Diagnostics;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains with AdamW: accumulation over a global token mean, clipping, a learning-rate schedule, a weight average, checkpoints.</summary>
/// <remarks>Synchronous and single-threaded. A run that is restored from a checkpoint repeats the uninterrupted run bit for bit on the
/// same machine, thread count and library version.</remarks>
public sealed class Trainer : IDisposable
{
    private readonly ITrainingTask task;
    private readonly TrainingOptions options;
    private readonly LearningRateSchedule schedule;
    private readonly AdamW optimizer;
    private readonly List<(AdamW.ParamGroup Group, double Peak)> groups = [];
    private readonly List<string> names = [];
    private readonly Parameter[] trained;
    private readonly UseGate gate = new(nameof(Trainer));

    /// <summary>Prepares a run; move the model to its device first.</summary>
    /// <exception cref="ConfigurationException">An option is out of range.</exception>
    /// <exception cref="ArgumentException">The model has no parameter to train.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        OptionsJson.Validate(options, "$.training");
        this.task = task;
        this.options = options;
        schedule = new LearningRateSchedule(options.Shape, options.WarmupSteps, options.Steps, options.FinalShare, options.CycleCount);
        foreach (var group in DecayGroups.Of(task.Model, options.DecayScope))
        {
            var peak = Math.Min(options.LearningRate * group.Hint.LearningRateScale, group.Hint.MaxLearningRate ?? double.PositiveInfinity);
            var decay = group.Hint.Decays == true ? options.WeightDecay : 0;
            var alike = new AdamW.ParamGroup(
                [.. group.Parameters.Select(entry => entry.Parameter)],
                peak, options.Beta1, options.Beta2, options.Epsilon, decay, false, false);
            groups.Add((alike, peak));
            names.AddRange(group.Parameters.Select(entry => entry.Name));
        }
        if (names.Count == 0)
            throw new ArgumentException("The model has no parameter that requires a gradient.", nameof(task));
        optimizer = optim.AdamW(groups.Select(entry => entry.Group), options.LearningRate, options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay);
        trained = [.. optimizer.parameters()];
        Average = options.AverageDecay > 0 ? new WeightAverage(task.Model, options.AverageDecay) : null;
    }

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; private set; }

    /// <summary>The weight average, or null when none is kept.</summary>
    public WeightAverage? Average { get; }

    /// <summary>Trains to the last step; the model ends in evaluation mode.</summary>
    /// <param name="progress">Told of every step, on this thread.</param>
    /// <param name="cancellation">Observed between steps; a checkpoint is kept first where a folder is set.</param>
    /// <exception cref="TrainingDivergedException">A loss or gradient is not finite.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; training can be run on from where it stands.</exception>
    public void Run(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        task.Model.train();
        try
        {
            while (Step < options.Steps)
            {
                if (cancellation.IsCancellationRequested)
                {
                    if (options.CheckpointFolder is not null)
                        Save();
                    cancellation.ThrowIfCancellationRequested();
                }
                var before = clock.Elapsed;
                var done = Advance();
                var evaluation = options.EvaluationInterval > 0 && (Step % options.EvaluationInterval == 0 || Step == options.Steps) ? Evaluate() : null;
                done = done with { EvaluationLoss = evaluation, Elapsed = clock.Elapsed };
                TrainingMeter.Record(done, clock.Elapsed - before);
                progress?.Report(done);
                if (options.CheckpointInterval > 0 && options.CheckpointFolder is not null && Step % options.CheckpointInterval == 0)
                    Save();
            }
        }
        finally
        {
            EndTraining();
        }
    }

    private void EndTraining()
    {
        try
        {
            task.Model.eval();
        }
        catch (ObjectDisposedException)
        {
            // The model is gone, and what ended the run says so.
        }
    }

    /// <summary>Writes a checkpoint into the checkpoint folder, keeping the one before it too.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="InvalidOperationException">No checkpoint folder is set.</exception>
    /// <exception cref="TrainingDivergedException">A weight is not finite; the checkpoints that are there stay.</exception>
    public string Save()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var contents = ModuleTensors.Of(task.Model);
        if (ModuleTensors.FirstNotFinite(contents) is { } name)
            throw new TrainingDivergedException(Step, $"weight '{name}'", TrainerCheckpoint.Latest(CheckpointFolder));
        var parts = new Dictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            ["model"] = contents,
            ["optimizer"] = AdamWState.Save(optimizer, names),
            ["progress"] = task.Progress(),
        };
        if (Average is not null)
            parts["average"] = Average.Tensors;
        return TrainerCheckpoint.Save(CheckpointFolder, Step, parts, Average?.UpdateCount ?? 0);
    }

    /// <summary>Goes on from the newest checkpoint in the checkpoint folder.</summary>
    /// <returns>False when there is none.</returns>
    /// <remarks>Everything is checked before anything is changed: after an exception the run is as it was.</remarks>
    /// <exception cref="CheckpointMismatchException">The checkpoint is of another model or run.</exception>
    public bool Resume()
    {
        if (TrainerCheckpoint.Latest(CheckpointFolder) is not { } folder)
            return false;
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        var (header, parts) = TrainerCheckpoint.Load(folder);
        string[] missing = [.. (Average is null ? (string[])["model", "optimizer", "progress"] : ["model", "optimizer", "progress", "average"]).Where(part => !parts.ContainsKey(part))];
        if (missing.Length > 0)
            throw new CheckpointMismatchException(folder, missing, [], [], []);
        CheckpointLoader.Check(folder, ModuleTensors.Of(task.Model), parts["model"]);
        AdamWState.Check(optimizer, names, parts["optimizer"]);
        Average?.Check(parts["average"]);
        task.Restore(parts["progress"]); // the one step that checks and changes at once comes before those that cannot fail
        CheckpointLoader.Load(task.Model, parts["model"]);
        AdamWState.Restore(optimizer, names, parts["optimizer"]);
        Average?.Restore(parts["average"], header.AverageUpdates);
        Step = header.Step;
        return true;
    }

    /// <summary>Frees the optimizer's state and the average; waits for a running step.</summary>
    public void Dispose() => gate.Close(() =>
    {
        optimizer.Dispose();
        Average?.Dispose();
    });

    private string CheckpointFolder => options.CheckpointFolder
        ?? throw new InvalidOperationException($"{nameof(TrainingOptions)}.{nameof(TrainingOptions.CheckpointFolder)} is not set.");

    private TrainingStep Advance()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        optimizer.zero_grad();
        var (sum, count) = (0.0, 0L);
        for (var micro = 0; micro < options.AccumulationCount; micro++)
        {
            using var inner = NewDisposeScope();
            var loss = task.NextLoss();
            var value = loss.Sum.to(ScalarType.Float64).item<double>();
            if (!double.IsFinite(value))
                throw Diverged("loss");
            loss.Sum.backward();
            KernelFunction.ThrowIfFailed();
            (sum, count) = (sum + value, count + loss.Count);
        }
        task.PrepareGradients();
        var norm = GradientClipping.Apply(trained, 1.0 / Math.Max(1, count), options.MaxGradientNorm);
        if (!double.IsFinite(norm))
            throw Diverged("gradient");
        var share = schedule.At(Step);
        foreach (var (group, peak) in groups)
            group.LearningRate = peak * share;
        optimizer.step();
        Average?.Update();
        Step++;
        return new TrainingStep(Step, options.Steps, sum / Math.Max(1, count), count, norm, options.LearningRate * share, null, TimeSpan.Zero);
    }

    private double? Evaluate()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        task.Model.eval();
        using var average = Average?.Swap();
        var loss = task.Evaluate();
        task.Model.train();
        return loss;
    }

    private TrainingDivergedException Diverged(string quantity) =>
        new(Step + 1, quantity, options.CheckpointFolder is { } root ? TrainerCheckpoint.Latest(root) : null);
}
