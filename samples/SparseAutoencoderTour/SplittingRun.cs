using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.SparseAutoencoderTour;

/// <summary>R6: many narrow random features beat the two ideal ones at their own loss.</summary>
public static class SplittingRun
{
    private const int Width = 100;
    private const int CompetitorCount = 1_000;

    /// <summary>Runs it.</summary>
    public static void Execute(TourSettings settings, Report report, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(report);
        report.Begin(FormattableString.Invariant($"R6: over-splitting, seed {seed}"));
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        using var random = new Generator(seed);
        var (samples, mean) = OverSplittingToy.Draw(4L * settings.ToySamples, Width, 2, random);
        var (drawn, _) = OverSplittingToy.Draw(CompetitorCount, Width, 2, random);
        var scored = samples.narrow(0, 0, samples.size(0) * 3 / 10);
        var lines = new List<string> { "| lambda | ideal pair | 1000 random features | their L0 |", "|---|---|---|---|" };
        var windows = new List<Window>();
        foreach (var lambda in (double[])[1, 2, 3, 5, 7])
        {
            var ideal = OverSplittingToy.BestIdeal(samples, mean, lambda);
            var split = OverSplittingToy.BestSplit(scored, drawn, lambda);
            lines.Add(FormattableString.Invariant($"| {lambda} | {ideal:F2} | {split.Loss:F2} | {split.ActiveCount:F1} |"));
            report.Say($"lambda {lambda}: {ideal:F2} against {split.Loss:F2}");
            if (lambda <= 5)
                windows.Add(Window.AtLeast(FormattableString.Invariant($"lambda {lambda}: ideal less random"), ideal - split.Loss, 0));
        }
        report.Add(string.Join('\n', lines));
        report.Judge(windows);
    }
}
