using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>R5: of two attributes that share an activation, the one with shorter codes loses its features.</summary>
public static class OcclusionRun
{
    private const int ValueCount = 60;
    private const int Epochs = 80;

    /// <summary>Runs it.</summary>
    public static void Execute(TourSettings settings, Report report, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(report);
        report.Begin(FormattableString.Invariant($"R5: occlusion, seed {seed}"));
        var lines = new List<string> { "| autoencoder | ratio of norms | features with F1 >= 0.9, high side | low side |", "|---|---|---|---|" };
        var sides = new Dictionary<(int Active, double Ratio), (long High, long Low)>();
        foreach (var active in (int[])[2, 4])
        {
            foreach (var ratio in (double[])[1, 0.8, 0.6])
            {
                using var scope = NewDisposeScope();
                using var random = new Generator(seed + 3);
                var (activations, attributes) = OcclusionToy.Draw(settings.ToySamples, ValueCount, 64, ratio, random);
                var epochs = settings == TourSettings.Default ? Epochs : settings.Epochs;
                using var autoencoder = new AutoencoderRecipe(epochs, seed).Train(activations, settings.FeatureCount, new TopKOptions { ActiveCount = active });
                var found = sides[(active, ratio)] = OcclusionToy.Count(autoencoder, activations, attributes, ValueCount);
                lines.Add(FormattableString.Invariant($"| TopK {active} | {ratio:F1} | {found.High} | {found.Low} |"));
                report.Say($"TopK {active}, ratio {ratio:F1}: {found.High} and {found.Low}");
            }
        }
        report.Add(string.Join('\n', lines));
        var low = ((double[])[1, 0.8, 0.6]).Select(ratio => sides[(2, ratio)].Low).ToArray();
        report.Judge(
            new Window("TopK 2: the low side's count falls with the ratio", string.Join(", ", low), low[0] > low[1] && low[1] > low[2]),
            Window.AtLeast("TopK 2, ratio 0.8: high less low", sides[(2, 0.8)].High - sides[(2, 0.8)].Low, 10),
            Window.AtLeast("TopK 2, ratio 0.6: high less low", sides[(2, 0.6)].High - sides[(2, 0.6)].Low, 10));
    }
}
