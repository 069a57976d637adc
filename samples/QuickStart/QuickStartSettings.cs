namespace LmKit.QuickStart;

/// <summary>The size of a run.</summary>
/// <param name="VocabSize">Entries of the byte-pair vocabulary.</param>
/// <param name="ModelDim">Width of the model.</param>
/// <param name="LayerCount">Layers; the one after the middle mixes by attention, the others by H3.</param>
/// <param name="WindowLength">Tokens of a training window.</param>
/// <param name="BatchSize">Windows of a step.</param>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="GeneratedTokens">Tokens to stream at the end.</param>
public sealed record QuickStartSettings(
    int VocabSize,
    long ModelDim,
    int LayerCount,
    long WindowLength,
    long BatchSize,
    long Steps,
    long GeneratedTokens)
{
    /// <summary>The default run: about three minutes on two cores.</summary>
    public static QuickStartSettings Default { get; } = new(2_000, 192, 2, 128, 8, 2_600, 600);

    /// <summary>A run of seconds that only shows that everything works.</summary>
    public static QuickStartSettings Toy { get; } = new(300, 32, 2, 64, 4, 6, 40) { TextLimit = 200_000 };

    /// <summary>Characters of text that a run reads at most; a toy run takes a slice.</summary>
    public int TextLimit { get; init; } = int.MaxValue;
}
