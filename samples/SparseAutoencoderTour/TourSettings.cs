namespace LmKit.SparseAutoencoderTour;

/// <summary>The size of the runs.</summary>
/// <param name="ModelSteps">Optimizer steps of the tiny language model.</param>
/// <param name="FittingPrompts">Prompts that dictionaries are made from.</param>
/// <param name="JudgingPrompts">Prompts that they are judged on.</param>
/// <param name="Epochs">Epochs over the fitting prompts' activations.</param>
/// <param name="FeatureCount">Features of an autoencoder.</param>
/// <param name="SyntheticSteps">Steps of the runs on synthetic features.</param>
/// <param name="ToySamples">Samples of the occlusion toy; the over-splitting toy has four times as many.</param>
public sealed record TourSettings(int ModelSteps, int FittingPrompts, int JudgingPrompts, int Epochs, int FeatureCount, int SyntheticSteps, int ToySamples)
{
    /// <summary>The sizes of the reproductions.</summary>
    public static TourSettings Default { get; } = new(1_000, 4_000, 1_000, 100, 512, 1_500, 5_000);

    /// <summary>A run of seconds that only shows that everything works.</summary>
    public static TourSettings Toy { get; } = new(5, 100, 20, 1, 32, 3, 100);
}
