using ScottPlot;

namespace LmKit.DiffusionText;

/// <summary>Quality over the number of sampling steps as a picture.</summary>
internal static class CurvePlot
{
    private const int Width = 960;
    private const int Height = 540;

    internal static void Save(string path, IReadOnlyList<QualityCurve> curves)
    {
        using var plot = new Plot();
        var palette = new ScottPlot.Palettes.Category10();
        foreach (var (curve, index) in curves.Select((curve, index) => (curve, index)))
        {
            var line = plot.Add.Scatter(
                curve.Points.Select(point => Math.Log2(point.StepCount)).ToArray(),
                curve.Points.Select(point => Math.Log10(point.Divergence)).ToArray(),
                palette.GetColor(index));
            line.LegendText = curve.Name;
            line.LineWidth = 2;
        }
        plot.Title("Divergence of trigrams from the truth");
        plot.XLabel("sampling steps (log2)");
        plot.YLabel("Jensen-Shannon divergence (log10 nats)");
        plot.ShowLegend(Alignment.UpperRight);
        plot.SavePng(path, Width, Height);
    }
}
