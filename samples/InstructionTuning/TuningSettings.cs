namespace LmKit.InstructionTuning;

/// <summary>The size of a run.</summary>
/// <param name="PretrainingSteps">Optimizer steps of the base model, 16 rows of 48 tokens each.</param>
/// <param name="ArticleCount">Articles that a data set is made of.</param>
/// <param name="MostTuningSteps">No arm takes more steps, whatever its recipe says; null for no bound.</param>
public sealed record TuningSettings(long PretrainingSteps, int ArticleCount, long? MostTuningSteps = null)
{
    /// <summary>Rows of a step.</summary>
    public const int RowCount = 16;

    /// <summary>Tokens of a pre-training row.</summary>
    public const int PretrainingLength = 48;

    /// <summary>The run on record.</summary>
    public static TuningSettings Default { get; } = new(2_200, 1_500);

    /// <summary>A run of seconds that only shows that everything works.</summary>
    public static TuningSettings Toy { get; } = new(30, 60, 8);

    /// <summary>The steps of a recipe's arms.</summary>
    public long StepsOf(TuningRecipe recipe) => Math.Min(recipe.Steps, MostTuningSteps ?? long.MaxValue);
}
