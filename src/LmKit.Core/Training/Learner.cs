using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>A module under training and what its recipe has that the run's (<see cref="TrainingOptions"/>) has not.</summary>
/// <remarks>What is left null comes from the run's options; one of those that no learner reads is refused where it is set.</remarks>
/// <param name="name">What checkpoints, errors, figures and meters call it: letters, digits, <c>_</c> and <c>-</c>, and none of <c>run</c>,
/// <c>progress</c> and <c>task</c>, which checkpoints use themselves.</param>
/// <param name="module">The module; stays the caller's. Those of its parameters that require a gradient are trained.</param>
public sealed class Learner(string name, nn.Module module)
{
    private static readonly string[] taken = ["run", "progress", "task"];

    /// <summary>What checkpoints, errors, figures and meters call it.</summary>
    public string Name { get; } = IsName(name)
        ? name
        : throw new ArgumentException($"'{name}' cannot name a learner; a name has letters, digits, '_' and '-', and is none of {string.Join(", ", taken)}, which checkpoints use themselves.", nameof(name));

    /// <summary>The module.</summary>
    public nn.Module Module { get; } = module ?? throw new ArgumentNullException(nameof(module));

    /// <summary>Peak learning rate of its own.</summary>
    public double? LearningRate { get; init => field = Checked(value, nameof(LearningRate)); }

    /// <summary>Share of the peak rate at a step (from 0), in place of the run's shape, warm-up and floor. A task says in
    /// <see cref="ITrainingTask.Identity"/> what it depends on.</summary>
    public Func<long, double>? Schedule { get; init; }

    /// <summary>Weight decay of its own; with 0 all parameters form one group but for their <see cref="IParameterHints"/>.</summary>
    public double? WeightDecay { get; init => field = Checked(value, nameof(WeightDecay)); }

    /// <summary>Largest gradient norm of its own; 0 clips nothing.</summary>
    public double? MaxGradientNorm { get; init => field = Checked(value, nameof(MaxGradientNorm)); }

    /// <summary>Decay of a weight average of its own. Where it is null the main learner has the run's and the others have none.</summary>
    public double? AverageDecay { get; init => field = Checked(value, nameof(AverageDecay)); }

    /// <summary>Makes an optimizer in place of AdamW, which then brings rate, clipping and decay itself; the trainer disposes it.</summary>
    internal Func<LearnerOptimizer>? Optimizer { get; init; }

    /// <summary>Parameters that never decay, by full name, such as a table of which only some rows are trained.</summary>
    internal IReadOnlyCollection<string> Undecayed { get; init; } = [];

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
        return name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '_' or '-') && !taken.Contains(name, StringComparer.OrdinalIgnoreCase);
    }

    // The bounds of the run's option of that name.
    private double? Checked(double? value, string option)
    {
        var range = typeof(TrainingOptions).GetProperty(option)!.GetCustomAttribute<RangeAttribute>()!;
        return value is not { } number || (number >= (double)range.Minimum && number <= (double)range.Maximum)
            ? value
            : throw new ConfigurationException($"$.{Name}.{JsonNamingPolicy.SnakeCaseLower.ConvertName(option)}", string.Create(CultureInfo.InvariantCulture, $"{nameof(Learner)}.{option} = {number} of the {Name}: a number from {range.Minimum} to {range.Maximum} is needed."));
    }
}
