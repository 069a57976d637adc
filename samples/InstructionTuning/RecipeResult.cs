namespace LmKit.InstructionTuning;

/// <summary>What one recipe came to on one seed.</summary>
/// <param name="Recipe">The recipe.</param>
/// <param name="Arms">The tuned arms.</param>
/// <param name="FactCounts">How many examples' responses state one, two and three facts.</param>
/// <param name="Ratings">How a judge rates the base model and the arms.</param>
public sealed record RecipeResult(TuningRecipe Recipe, IReadOnlyList<ArmResult> Arms, IReadOnlyList<int> FactCounts, PairwiseReport Ratings);
