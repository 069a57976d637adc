namespace LmKit.Experiments;

/// <summary>One of the language models that are compared: the same width and layers, other mixers, and feed-forward parts that make up for their sizes.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="AttentionCount">How many layers are attention, given the number of layers.</param>
/// <param name="Add">Adds the mixers for a number of layers.</param>
internal sealed record LanguageMixer(string Name, Func<int, int> AttentionCount, Action<LanguageModelBuilder, int> Add)
{
    // With 64 states an H3 layer has (336 - 13) d parameters more than an attention layer.
    private const double ExtraOfH3 = 323;

    internal static readonly LanguageMixer Hybrid = new("H3 hybrid", _ => 1, (builder, layers) =>
        builder.AddH3(h3 => h3.StateDim = 64).AddAttention(attention => attention.HeadCount = 4, layers: [layers / 2]));

    internal static readonly LanguageMixer Transformer = new("Transformer", layers => layers, (builder, _) =>
        builder.AddAttention(attention => attention.HeadCount = 4).AddRotary());

    internal static readonly LanguageMixer PureH3 = new("pure H3", _ => 0, (builder, _) => builder.AddH3(h3 => h3.StateDim = 64));

    /// <summary>Builds the model.</summary>
    internal LanguageModel Build(LanguageRecipe recipe, int vocabSize, ulong seed)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = recipe.ModelDim, LayerCount = recipe.LayerCount };
        builder.Options.Seed = seed;
        var extraUnits = ExtraOfH3 * (AttentionCount(recipe.LayerCount) - 1) / (2 * recipe.LayerCount); // a unit has 2 d weights
        builder.AddMlp(mlp => mlp.MlpDim = 4 * recipe.ModelDim + (long)Math.Round(extraUnits));
        Add(builder, recipe.LayerCount);
        return builder.Build();
    }
}
