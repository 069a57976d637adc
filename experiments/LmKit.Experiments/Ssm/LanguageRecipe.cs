namespace LmKit.Experiments;

/// <summary>Sizes of the language comparison.</summary>
internal sealed record LanguageRecipe(int VocabSize, long ModelDim, int LayerCount, long WindowLength, long BatchSize, long Steps, int TextLimit, long[] Contexts, int DecodedTokens)
{
    /// <summary>About five minutes a model on two cores.</summary>
    internal static LanguageRecipe Default { get; } = new(2_000, 192, 4, 256, 8, 1_200, int.MaxValue, [256, 512, 1024, 2048, 4096, 8192], 48);

    /// <summary>Seconds.</summary>
    internal static LanguageRecipe Toy { get; } = new(300, 32, 3, 32, 2, 3, 100_000, [32, 64], 4);
}
