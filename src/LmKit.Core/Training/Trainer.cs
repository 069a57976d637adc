using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Trains with AdamW: accumulation over a global token mean, clipping, a learning-rate schedule, a weight average, checkpoints.</summary>
/// <remarks>
/// <para>Synchronous and single-threaded. A run that is restored from a checkpoint repeats the uninterrupted run bit for bit on the
/// same machine, thread count and library version. A checkpoint of another run (<see cref="RunIdentity"/>) is refused.</para>
/// <para>Parameters of bfloat16 are trained through float32 copies, which checkpoints hold too; float16 is refused.</para>
/// </remarks>
public sealed class Trainer : IDisposable
{
    private const string HeaderFile = "trainer.json";
    private const string ModelPart = "model";
    private const string OptimizerPart = "optimizer";
    private const string ProgressPart = "progress";
    private const string AveragePart = "average";
    private const string MastersPart = "masters";

    private readonly ITrainingTask task;
    private readonly TrainingOptions options;
    private readonly LearningRateSchedule schedule;
    private readonly AdamW optimizer;
    private readonly List<(AdamW.ParamGroup Group, double Peak)> groups = [];
    private readonly List<string> names = [];
    private readonly Parameter[] trained;
    private readonly MasterWeights masters;
    private readonly UseGate gate = new(nameof(Trainer));

    /// <summary>Prepares a run; move the model to its device first.</summary>
    /// <exception cref="ConfigurationException">An option is out of range or has no effect, or a parameter is of float16.</exception>
    /// <exception cref="ArgumentException">The model has no parameter to train.</exception>
    /// <exception cref="InvalidOperationException">A part cannot be trained as it stands, such as an adapter that is merged; names it.</exception>
    public Trainer(ITrainingTask task, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        options.Check(task.CanEvaluate);
        ITrainingCheck.Check(task.Model);
        this.task = task;
        this.options = options;
        schedule = new LearningRateSchedule(options.Shape, options.WarmupSteps, options.Steps, options.FinalShare, options.CycleCount);
        var decayGroups = DecayGroups.Of(task.Model, options.DecayScope);
        masters = new MasterWeights(decayGroups.SelectMany(group => group.Parameters));
        foreach (var group in decayGroups)
        {
            var peak = Math.Min(options.LearningRate * group.Hint.LearningRateScale, group.Hint.MaxLearningRate ?? double.PositiveInfinity);
            var decay = group.Hint.Decays == true ? options.WeightDecay : 0;
            var alike = new AdamW.ParamGroup(
                [.. group.Parameters.Select(entry => masters.Of(entry.Parameter))],
                peak, options.Beta1, options.Beta2, options.Epsilon, decay, false, false);
            groups.Add((alike, peak));
            names.AddRange(group.Parameters.Select(entry => entry.Name));
        }
        if (names.Count == 0)
            throw new ArgumentException("The model has no parameter that requires a gradient.", nameof(task));
        optimizer = optim.AdamW(groups.Select(entry => entry.Group), options.LearningRate, options.Beta1, options.Beta2, options.Epsilon, options.WeightDecay);
        trained = [.. optimizer.parameters()];
        Average = options.AverageDecay > 0 ? new WeightAverage(task.Model, options.AverageDecay, masters) : null;
    }

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; private set; }

    /// <summary>The weight average, or null when none is kept.</summary>
    public WeightAverage? Average { get; }

    /// <summary>What the last <see cref="Resume"/> took and what it passed over as damaged; null before.</summary>
    public ResumeReport? Resumed { get; private set; }

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
                done = done with { Evaluation = evaluation, Elapsed = clock.Elapsed };
                TrainingMeter.Record(done, clock.Elapsed - before);
                progress?.Report(done);
                if (options.CheckpointInterval > 0 && Step % options.CheckpointInterval == 0)
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
    /// <exception cref="TrainingDivergedException">A weight, an average or a moment is not finite; the checkpoints that are there stay.</exception>
    public string Save()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var parts = new Dictionary<string, IReadOnlyDictionary<string, Tensor>>
        {
            [ModelPart] = ModuleTensors.Of(task.Model),
            [OptimizerPart] = AdamWState.Save(optimizer, names),
            [ProgressPart] = task.Progress(),
        };
        if (Average is not null)
            parts[AveragePart] = Average.Tensors;
        if (masters.Any)
            parts[MastersPart] = masters.Tensors;
        return Checkpoints.Save(new RunHeader(Step, Average?.UpdateCount ?? 0, Identity(), new Dictionary<string, long>(), new Dictionary<string, string>()), parts);
    }

    /// <summary>Goes on from the newest whole checkpoint in the checkpoint folder; <see cref="Resumed"/> tells which it was and what was
    /// damaged.</summary>
    /// <returns>False when there is none.</returns>
    /// <remarks>Everything is checked before anything is changed: after an exception the run is as it was.</remarks>
    /// <exception cref="CheckpointMismatchException">The newest checkpoint is of another model, run or version.</exception>
    /// <exception cref="CheckpointException">There are checkpoints, and all of them are damaged.</exception>
    public bool Resume()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        if (Checkpoints.Open(Identity(), options.Shape == LearningRateShape.Constant ? long.MaxValue : options.Steps) is not { } found)
            return false;
        var (folder, parts) = (found.Report.Folder, found.Parts);
        CheckpointLoader.Check(folder, ModuleTensors.Of(task.Model), parts[ModelPart]);
        AdamWState.Check(optimizer, names, parts[OptimizerPart]);
        Average?.Check(parts[AveragePart]);
        if (masters.Any)
            masters.Check($"{MastersPart} of {folder}", parts[MastersPart]);
        task.Restore(parts[ProgressPart]); // the one step that checks and changes at once comes before those that cannot fail
        CheckpointLoader.Load(task.Model, parts[ModelPart]);
        AdamWState.Restore(optimizer, names, parts[OptimizerPart]);
        Average?.Restore(parts[AveragePart], found.Header.AverageUpdates);
        if (masters.Any)
            masters.Restore(parts[MastersPart]);
        Step = found.Header.Step;
        Resumed = found.Report;
        return true;
    }

    /// <summary>Frees the optimizer's state, the float32 copies and the average; waits for a running step.</summary>
    public void Dispose() => gate.Close(() =>
    {
        optimizer.Dispose();
        masters.Dispose();
        Average?.Dispose();
    });

    private string CheckpointFolder => options.CheckpointFolder
        ?? throw new InvalidOperationException($"{nameof(TrainingOptions)}.{nameof(TrainingOptions.CheckpointFolder)} is not set.");

    private RunCheckpoints Checkpoints
    {
        get
        {
            List<string> required = [ModelPart, OptimizerPart, ProgressPart];
            if (Average is not null)
                required.Add(AveragePart);
            if (masters.Any)
                required.Add(MastersPart);
            return new RunCheckpoints(CheckpointFolder, HeaderFile, required, [AveragePart, MastersPart]);
        }
    }

    private RunIdentity Identity()
    {
        var identity = task.Identity()
            .AddOptions(options, except: options.Unread())
            .AddModule(task.Model);
        foreach (var group in DecayGroups.Of(task.Model, options.DecayScope))
        {
            foreach (var (name, parameter) in group.Parameters.Where(entry => group.Hint != DecayGroups.Usual(entry.Parameter)))
                identity.Add($"hint.{name}", $"{group.Hint.LearningRateScale} x the rate, at most {group.Hint.MaxLearningRate?.ToString(CultureInfo.InvariantCulture) ?? "any"}, {(group.Hint.Decays == true ? "decays" : "does not decay")}");
        }
        return identity;
    }

    private TrainingStep Advance()
    {
        using var use = gate.Enter();
        using var modelUse = UseGate.Enter(task.Model);
        using var scope = NewDisposeScope();
        using var recorded = GradientMode.Record();
        optimizer.zero_grad();
        masters.Begin();
        var (sum, count) = (0.0, 0L);
        for (var micro = 0; micro < options.AccumulationCount; micro++)
        {
            using var inner = NewDisposeScope();
            var loss = task.NextLoss();
            var value = loss.Sum.to(ScalarType.Float64).item<double>();
            if (!double.IsFinite(value))
                throw Diverged("loss");
            loss.Sum.Backward();
            (sum, count) = (sum + value, count + loss.Count);
            if (masters.Any)
            {
                task.PrepareGradients();
                masters.TakeGradients();
            }
        }
        if (!masters.Any)
            task.PrepareGradients();
        var norm = GradientClipping.Apply(trained, 1.0 / Math.Max(1, count), options.MaxGradientNorm);
        if (!double.IsFinite(norm))
            throw Diverged("gradient");
        var share = schedule.At(Step);
        foreach (var (group, peak) in groups)
            group.LearningRate = peak * share;
        optimizer.step();
        masters.Write();
        Average?.Update();
        Step++;
        return new TrainingStep(Step, options.Steps, sum / Math.Max(1, count), count, norm, options.LearningRate * share, null, TimeSpan.Zero);
    }

    private Estimate? Evaluate()
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
        new(Step + 1, quantity, options.CheckpointFolder is null ? null : Checkpoints.Latest());
}
