using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>What steps a learner's parameters: gradients, float32 copies, moments.</summary>
/// <remarks>A step is <see cref="Begin"/>, one or more backward passes, each but the last followed by <see cref="MasterWeights.TakeGradients"/> of
/// <see cref="Masters"/>, <see cref="Clip"/>, <see cref="Step"/>. Not thread-safe.</remarks>
/// <param name="masters">Float32 copies of its bfloat16 parameters, which it steps in their place; disposed with it.</param>
internal abstract class LearnerOptimizer(MasterWeights masters) : IDisposable
{
    /// <summary>The float32 copies, perhaps none.</summary>
    internal MasterWeights Masters { get; } = masters;

    /// <summary>Begins a step: gradients become zero, and weights that somebody else changed are taken over.</summary>
    internal abstract void Begin();

    /// <summary>Multiplies all gradients by a number and bounds their norm.</summary>
    /// <returns>The global norm after scaling and before clipping; when it is not finite nothing was changed.</returns>
    internal abstract double Clip(double scale);

    /// <summary>Steps the parameters at a share of the peak rate, and writes the copies' roundings into the weights.</summary>
    internal abstract void Step(double share);

    /// <summary>The moments, for a checkpoint: the optimizer's own tensors, or new ones in the caller's scope.</summary>
    internal abstract IReadOnlyDictionary<string, Tensor> State();

    /// <summary>Refuses moments that are not this optimizer's; changes nothing.</summary>
    /// <exception cref="CheckpointMismatchException">They are another's.</exception>
    internal abstract void Check(IReadOnlyDictionary<string, Tensor> saved);

    /// <summary>Takes over moments that <see cref="Check"/> has passed.</summary>
    internal abstract void Restore(IReadOnlyDictionary<string, Tensor> saved);

    /// <inheritdoc/>
    public virtual void Dispose() => Masters.Dispose();
}

/// <summary>AdamW over groups that <see cref="DecayGroups"/> makes, with clipping by the global norm.</summary>
internal sealed class AdamWOptimizer : LearnerOptimizer
{
    private readonly AdamW optimizer;
    private readonly List<(AdamW.ParamGroup Group, double Peak)> groups = [];
    private readonly List<string> names = [];
    private readonly Parameter[] trained;
    private readonly double maxNorm;

    /// <summary>Makes it for a learner of a run.</summary>
    /// <exception cref="ConfigurationException">A parameter is of float16.</exception>
    /// <exception cref="ArgumentException">There is no parameter to train.</exception>
    internal AdamWOptimizer(Learner learner, TrainingOptions options)
        : this(learner, options, DecayGroups.Of(learner, options))
    {
    }

    private AdamWOptimizer(Learner learner, TrainingOptions options, IReadOnlyList<DecayGroup> decayGroups)
        : base(new MasterWeights(decayGroups.SelectMany(group => group.Parameters)))
    {
        var (rate, weightDecay) = (learner.LearningRate ?? options.LearningRate, learner.WeightDecay ?? options.WeightDecay);
        maxNorm = learner.MaxGradientNorm ?? options.MaxGradientNorm;
        foreach (var group in decayGroups)
        {
            var peak = Math.Min(rate * group.Hint.LearningRateScale, group.Hint.MaxLearningRate ?? double.PositiveInfinity);
            var decay = group.Hint.Decays == true ? weightDecay : 0;
            var alike = new AdamW.ParamGroup(
                [.. group.Parameters.Select(entry => Masters.Of(entry.Parameter))],
                peak, options.Beta1, options.Beta2, options.Epsilon, decay, false, false);
            groups.Add((alike, peak));
            names.AddRange(group.Parameters.Select(entry => entry.Name));
        }
        if (names.Count == 0)
            throw new ArgumentException($"The {learner.Name} has no parameter that requires a gradient.", nameof(learner));
        optimizer = optim.AdamW(groups.Select(entry => entry.Group), rate, options.Beta1, options.Beta2, options.Epsilon, weightDecay);
        trained = [.. optimizer.parameters()];
    }

    internal override void Begin()
    {
        optimizer.zero_grad();
        Masters.Begin();
    }

    internal override double Clip(double scale) => GradientClipping.Apply(trained, scale, maxNorm);

    internal override void Step(double share)
    {
        foreach (var (group, peak) in groups)
            group.LearningRate = peak * share;
        optimizer.step();
        Masters.Write();
    }

    // By parameter name: name.exp_avg, name.exp_avg_sq, name.step.
    internal override IReadOnlyDictionary<string, Tensor> State()
    {
        var saved = new Dictionary<string, Tensor>();
        foreach (var (name, state) in Moments())
        {
            saved[$"{name}.exp_avg"] = state.exp_avg;
            saved[$"{name}.exp_avg_sq"] = state.exp_avg_sq;
            saved[$"{name}.step"] = tensor(state.step);
        }
        return saved;
    }

    internal override void Check(IReadOnlyDictionary<string, Tensor> saved)
    {
        using var scope = NewDisposeScope();
        CheckpointLoader.Check("The checkpoint's optimizer state", State(), saved);
        if (saved.FirstOrDefault(pair => pair.Key.EndsWith(".step", StringComparison.Ordinal) && pair.Value.item<long>() < 0) is { Key: { } name, Value: var step })
            throw new CheckpointMismatchException("The checkpoint's optimizer state", [], [], [], [], [new TensorMismatch(name, "steps done, 0 or more", $"{step.item<long>()}")]);
    }

    internal override void Restore(IReadOnlyDictionary<string, Tensor> saved)
    {
        using var frozen = no_grad();
        foreach (var (name, state) in Moments())
        {
            state.exp_avg.copy_(saved[$"{name}.exp_avg"]);
            state.exp_avg_sq.copy_(saved[$"{name}.exp_avg_sq"]);
            state.step = saved[$"{name}.step"].item<long>();
        }
    }

    public override void Dispose()
    {
        optimizer.Dispose();
        base.Dispose();
    }

    private IEnumerable<(string Name, AdamW.State State)> Moments() => names.Zip(optimizer.state_dict().State.Cast<AdamW.State>());
}
