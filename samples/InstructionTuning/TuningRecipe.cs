namespace LmKit.InstructionTuning;

/// <summary>What is tuned on, for how long, and how the adapter starts.</summary>
/// <param name="Name">Its name on the command line and on the page.</param>
/// <param name="Description">How it stands to the specification.</param>
/// <param name="VariesFacts">Whether an article opens with one to three facts in place of always three.</param>
/// <param name="Steps">Optimizer steps of each arm, 16 examples each.</param>
/// <param name="StartDeviation">A starts at N(0, StartDeviation^2); null: PEFT's Kaiming-uniform start.</param>
/// <param name="ChosenOn">The seeds that it was chosen on, which can only illustrate it.</param>
public sealed record TuningRecipe(string Name, string Description, bool VariesFacts, long Steps, double? StartDeviation, IReadOnlyList<long> ChosenOn)
{
    /// <summary>The recipe that the specification writes down.</summary>
    public static TuningRecipe Literal { get; } = new("literal", "The specification's own: an article opens with three facts.", false, 300, null, []);

    /// <summary>The variant: other articles, fewer steps, a smaller start.</summary>
    /// <remarks>From a start this small A is learned, not drawn, so that less hangs on the seed.</remarks>
    public static TuningRecipe Varied { get; } = new(
        "varied",
        "Departs from the specification's three statements: an article opens with one, two or three facts and goes on for about as many words with something else.",
        true,
        160,
        1e-4,
        [0, 1, 2, 3, 4]);

    /// <summary>All of them.</summary>
    public static IReadOnlyList<TuningRecipe> All { get; } = [Varied, Literal];

    /// <summary>How A starts, in words.</summary>
    public string Start => StartDeviation is { } deviation ? FormattableString.Invariant($"N(0, {deviation}^2)") : "PEFT's";

    /// <summary>The adapter around every linear.</summary>
    public LoraOptions Adapter => new()
    {
        Rank = 8,
        Alpha = 16,
        DropoutRate = 0,
        Initialization = StartDeviation is null ? LoraInitialization.KaimingUniform : LoraInitialization.Gaussian,
        InitializationDeviation = StartDeviation,
    };
}
