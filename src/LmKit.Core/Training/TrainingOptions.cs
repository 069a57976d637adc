using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Text.Json;

namespace LmKit;

/// <summary>Options of <see cref="Trainer"/>.</summary>
public sealed class TrainingOptions
{
    /// <summary>Optimizer steps T in all. Default 1000.</summary>
    [Range(1L, long.MaxValue)]
    public long Steps { get; set; } = 1000;

    /// <summary>Micro-batches per step, whose losses are averaged over all their tokens together. Default 1.</summary>
    [Range(1, 1_000_000)]
    public int AccumulationCount { get; set; } = 1;

    /// <summary>Peak learning rate. Default 1e-3.</summary>
    [Range(0.0, 100.0)]
    public double LearningRate { get; set; } = 1e-3;

    /// <summary>Shape of the learning rate after the warm-up. Default cosine.</summary>
    public LearningRateShape Shape { get; set; } = LearningRateShape.Cosine;

    /// <summary>Warm-up steps W. Default 0.</summary>
    [Range(0L, long.MaxValue)]
    public long WarmupSteps { get; set; }

    /// <summary>Share of the peak left at the last step. Default 0.1 (H3 recipe).</summary>
    [Range(0.0, 1.0)]
    public double FinalShare { get; set; } = 0.1;

    /// <summary>Cycles of the shape with restarts; other shapes have none. Default 1.</summary>
    [Range(1, 1_000_000)]
    public int CycleCount { get; set; } = 1;

    /// <summary>AdamW's first decay rate. Default 0.9.</summary>
    [Range(0.0, 0.9999999)]
    public double Beta1 { get; set; } = 0.9;

    /// <summary>AdamW's second decay rate. Default 0.999.</summary>
    [Range(0.0, 0.9999999)]
    public double Beta2 { get; set; } = 0.999;

    /// <summary>AdamW's epsilon, at least 1e-30: at 0 a parameter without a gradient would become 0 / 0. Default 1e-8.</summary>
    [Range(1e-30, 1.0)]
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Decoupled weight decay. Default 0.1 (H3 recipe).</summary>
    [Range(0.0, 100.0)]
    public double WeightDecay { get; set; } = 0.1;

    /// <summary>What decays. Default the matrices; the published H3 recipes decay everything but the state spaces' own parameters.</summary>
    public DecayScope DecayScope { get; set; }

    /// <summary>Largest global gradient norm; 0 clips nothing. Default 1.</summary>
    [Range(0.0, double.MaxValue)]
    public double MaxGradientNorm { get; set; } = 1;

    /// <summary>Decay of the weight average; 0 keeps none, the default.</summary>
    [Range(0.0, 0.9999999)]
    public double AverageDecay { get; set; }

    /// <summary>Steps between evaluations; 0 evaluates never, the default.</summary>
    [Range(0L, long.MaxValue)]
    public long EvaluationInterval { get; set; }

    /// <summary>Evaluations in a row without an improvement after which the run ends; 0 never ends it, the default.</summary>
    [Range(0, 1_000_000)]
    public int Patience { get; set; }

    /// <summary>How much lower than the last improvement an evaluation must be to count as one for <see cref="Patience"/>. Default 0: any lower one.</summary>
    [Range(0.0, double.MaxValue)]
    public double MinImprovement { get; set; }

    /// <summary>Whether the checkpoint of the step with the lowest evaluation is kept besides the newest two. Default no.</summary>
    public bool KeepsBest { get; set; }

    /// <summary>Time after which a call of <see cref="Trainer.Run(Action{TrainingStep}, CancellationToken)"/> takes no further step; null sets no bound, the default.</summary>
    /// <remarks>The step at hand is finished, and a checkpoint kept where a folder is set.</remarks>
    public TimeSpan? MaxDuration { get; set; }

    /// <summary>A CSV file that gets a row for each step; null keeps none, the default.</summary>
    /// <remarks>A run that is resumed cuts the rows after its step, which it repeats. One that begins anew sets the curve of an earlier run aside as
    /// <c>NAME.1.csv</c>, <c>NAME.2.csv</c> and so on. A file that is not a loss curve of this form is refused.</remarks>
    public string? LossCurveFile { get; set; }

    /// <summary>Folder for training checkpoints; null keeps none, the default.</summary>
    /// <remarks>One is kept each <see cref="CheckpointInterval"/> steps, and whenever a run is cancelled or ends before its last step. At the last step
    /// itself none is kept unless the interval says so: save the model, or call <see cref="Trainer.Save"/>.</remarks>
    public string? CheckpointFolder { get; set; }

    /// <summary>Steps between checkpoints; 0, the default, keeps none in the midst of a run but the best (<see cref="KeepsBest"/>).</summary>
    [Range(0L, long.MaxValue)]
    public long CheckpointInterval { get; set; }

    internal void Check(ITrainingTask task, IReadOnlyCollection<Learner> learners)
    {
        OptionsJson.Validate(this, "$.training");
        if (EvaluationInterval > 0 && !task.CanEvaluate)
            throw new ConfigurationException("$.training.evaluation_interval", $"{nameof(TrainingOptions)}.{nameof(EvaluationInterval)} = {EvaluationInterval}: {task.GetType().Name} holds nothing out to evaluate on ({nameof(ITrainingTask.CanEvaluate)} is false); give it held-out data, or set the interval to 0.");
        if (CycleCount > 1 && Shape != LearningRateShape.CosineRestarts)
            throw new ConfigurationException("$.training.cycle_count", $"{nameof(TrainingOptions)}.{nameof(CycleCount)} = {CycleCount}: only {nameof(LearningRateShape.CosineRestarts)} has cycles, the shape is {Shape}.");
        if (Shape == LearningRateShape.Constant && FinalShare != new TrainingOptions().FinalShare)
            throw new ConfigurationException("$.training.final_share", string.Create(CultureInfo.InvariantCulture, $"{nameof(TrainingOptions)}.{nameof(FinalShare)} = {FinalShare}: a {LearningRateShape.Constant} rate does not fall, so it has no floor; take another {nameof(Shape)}, or leave this one as it is by default."));
        CheckTogether();
        foreach (var name in NotRead(task, learners))
        {
            var property = typeof(TrainingOptions).GetProperty(name)!;
            if (property.GetValue(this) is { } value && !value.Equals(property.GetValue(new TrainingOptions())))
                throw new ConfigurationException($"$.training.{OptionsJson.JsonName(property)}", string.Create(CultureInfo.InvariantCulture, $"{nameof(TrainingOptions)}.{name} = {value}: {task.GetType().Name} does not read it but brings its own; set it there, and leave this one as it is by default."));
        }
    }

    /// <summary>The options that this run's schedule does not read, in snake case; they may differ between a run and its continuation.</summary>
    internal string[] Unread(IReadOnlyCollection<Learner> learners) =>
        Shape == LearningRateShape.Constant || learners.All(learner => learner.Schedule is not null) ? ["steps", "final_share"] : [];

    private void CheckTogether()
    {
        void Refuse(bool isWrong, string name, object value, string why)
        {
            if (isWrong)
                throw new ConfigurationException($"$.training.{JsonNamingPolicy.SnakeCaseLower.ConvertName(name)}", string.Create(CultureInfo.InvariantCulture, $"{nameof(TrainingOptions)}.{name} = {value}: {why}"));
        }
        Refuse(CheckpointFolder is not null && string.IsNullOrWhiteSpace(CheckpointFolder), nameof(CheckpointFolder), $"'{CheckpointFolder}'", "a folder's name is needed, or null for no checkpoints.");
        Refuse(CheckpointInterval > 0 && CheckpointFolder is null, nameof(CheckpointInterval), CheckpointInterval, $"no checkpoint would be kept, since {nameof(CheckpointFolder)} is not set; set it, or set the interval to 0.");
        Refuse(Patience > 0 && EvaluationInterval == 0, nameof(Patience), Patience, $"nothing is evaluated, since {nameof(EvaluationInterval)} is 0; set it, or set the patience to 0.");
        Refuse(MinImprovement > 0 && Patience == 0, nameof(MinImprovement), MinImprovement, $"only {nameof(Patience)} reads it, which is 0; set that, or set this one to 0.");
        Refuse(KeepsBest && EvaluationInterval == 0, nameof(KeepsBest), KeepsBest, $"nothing is evaluated, since {nameof(EvaluationInterval)} is 0; set it, or keep no best checkpoint.");
        Refuse(KeepsBest && CheckpointFolder is null, nameof(KeepsBest), KeepsBest, $"{nameof(CheckpointFolder)} is not set; set it, or keep no best checkpoint.");
        Refuse(MaxDuration <= TimeSpan.Zero, nameof(MaxDuration), MaxDuration ?? default, "a run needs time; set a positive one, or null for no bound.");
        Refuse(LossCurveFile is not null && string.IsNullOrWhiteSpace(LossCurveFile), nameof(LossCurveFile), $"'{LossCurveFile}'", "a file's name is needed, or null for none.");
    }

    // What the learners bring themselves, all of them, the run's options do not say.
    private static IEnumerable<string> NotRead(ITrainingTask task, IReadOnlyCollection<Learner> learners)
    {
        bool All(Func<Learner, bool> isOwn) => learners.All(learner => learner.Optimizer is not null || isOwn(learner));
        if (task.Steps is not null)
            yield return nameof(Steps);
        if (task is not ILossTask)
            yield return nameof(AccumulationCount);
        if (learners.First().AverageDecay is not null)
            yield return nameof(AverageDecay);
        if (learners.All(learner => learner.Schedule is not null))
        {
            foreach (var name in new[] { nameof(Shape), nameof(WarmupSteps), nameof(FinalShare), nameof(CycleCount) })
                yield return name;
        }
        if (All(learner => learner.LearningRate is not null))
            yield return nameof(LearningRate);
        if (All(learner => learner.MaxGradientNorm is not null))
            yield return nameof(MaxGradientNorm);
        if (All(learner => learner.WeightDecay is not null))
            yield return nameof(WeightDecay);
        if (All(learner => learner.WeightDecay == 0))
            yield return nameof(DecayScope);
        if (All(_ => false))
        {
            foreach (var name in new[] { nameof(Beta1), nameof(Beta2), nameof(Epsilon) })
                yield return name;
        }
    }
}
