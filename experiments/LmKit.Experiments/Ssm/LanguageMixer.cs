namespace LmKit.Experiments;

/// <summary>One of the language models that are compared: the same width, layers and feed-forward parts, other mixers.</summary>
/// <param name="Name">What tables call it.</param>
/// <param name="Add">Adds the mixers for a number of layers.</param>
internal sealed record LanguageMixer(string Name, Action<LanguageModelBuilder, int> Add)
{
    internal static readonly LanguageMixer Hybrid = new("H3 hybrid", (builder, layers) =>
        builder.AddH3(h3 => h3.StateDim = 64).AddAttention(attention => attention.HeadCount = 4, layers: [layers / 2]));

    internal static readonly LanguageMixer Transformer = new("Transformer", (builder, _) =>
        builder.AddAttention(attention => { attention.HeadCount = 4; attention.Positions = PositionKind.Rotary; }));

    internal static readonly LanguageMixer PureH3 = new("pure H3", (builder, _) => builder.AddH3(h3 => h3.StateDim = 64));

    /// <summary>Builds the model.</summary>
    internal LanguageModel Build(LanguageRecipe recipe, int vocabSize, ulong seed)
    {
        var builder = new LanguageModelBuilder { VocabSize = vocabSize, ModelDim = recipe.ModelDim, LayerCount = recipe.LayerCount };
        builder.Options.Seed = seed;
        Add(builder, recipe.LayerCount);
        return builder.Build();
    }
}
