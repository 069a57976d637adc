namespace LmKit.InstructionTuning;

/// <summary>What a seed came to.</summary>
/// <param name="Seed">The seed.</param>
/// <param name="Base">The model before tuning.</param>
/// <param name="Recipes">Each recipe, all of them on that model.</param>
/// <param name="Elapsed">Time of the whole run.</param>
public sealed record SeedResult(long Seed, ArmResult Base, IReadOnlyList<RecipeResult> Recipes, TimeSpan Elapsed)
{
    /// <summary>The base model and a recipe's arms.</summary>
    public IReadOnlyList<ArmResult> Of(TuningRecipe recipe) => [Base, .. Recipes.Single(result => result.Recipe == recipe).Arms];
}
