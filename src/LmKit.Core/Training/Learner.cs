using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A module under training and what its recipe has that the run's (<see cref="TrainingOptions"/>) has not.</summary>
/// <remarks>What is left null comes from the run's options; one of those that no learner reads is refused where it is set.</remarks>
/// <param name="name">What checkpoints, errors, figures and meters call it: letters, digits, <c>_</c> and <c>-</c>.</param>
/// <param name="module">The module; stays the caller's. Those of its parameters that require a gradient are trained.</param>
public sealed class Learner(string name, nn.Module module)
{
    /// <summary>What checkpoints, errors, figures and meters call it.</summary>
    public string Name { get; } = IsName(name)
        ? name
        : throw new ArgumentException($"'{name}' cannot name a learner; a name has letters, digits, '_' and '-'.", nameof(name));

    /// <summary>The module.</summary>
    public nn.Module Module { get; } = module ?? throw new ArgumentNullException(nameof(module));

    /// <summary>Peak learning rate of its own.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Share of the peak rate at a step (from 0), in place of the run's shape, warm-up and floor. A task says in
    /// <see cref="ITrainingTask.Identity"/> what it depends on.</summary>
    public Func<long, double>? Schedule { get; init; }

    /// <summary>Weight decay of its own; with 0 all parameters form one group but for their <see cref="IParameterHints"/>.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>Largest gradient norm of its own; 0 clips nothing.</summary>
    public double? MaxGradientNorm { get; init; }

    /// <summary>Decay of a weight average of its own. Where it is null the main learner has the run's and the others have none.</summary>
    public double? AverageDecay { get; init; }

    /// <summary>Makes an optimizer in place of AdamW, which then brings rate, clipping and decay itself; the trainer disposes it.</summary>
    internal Func<LearnerOptimizer>? Optimizer { get; init; }

    /// <summary>What it brings of its own, by the names of the run's options; null for what it does not.</summary>
    internal IEnumerable<(string Name, double? Value)> Recipe() =>
        [("learning_rate", LearningRate), ("weight_decay", WeightDecay), ("max_gradient_norm", MaxGradientNorm), ("average_decay", AverageDecay)];

    /// <summary>Refuses a module with a part that cannot be trained (<see cref="ITrainingCheck"/>).</summary>
    /// <exception cref="InvalidOperationException">There is one; names it and says what to do.</exception>
    internal static void CheckTrainable(nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        foreach (var (name, part) in module.named_modules().Append((string.Empty, module)))
        {
            if ((part as ITrainingCheck)?.WhyItCannotTrain() is { } reason)
                throw new InvalidOperationException($"{(name.Length == 0 ? part.GetName() : name)} cannot be trained: {reason}");
        }
    }

    private static bool IsName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        return name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-');
    }
}
