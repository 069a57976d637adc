using System.Globalization;
using ScottPlot;

namespace LmKit.DiffusionText;

/// <summary>Quality over the number of sampling steps as a picture.</summary>
internal static class CurvePlot
{
    private const int Width = 960;
    private const int Height = 540;
    private static readonly double[] levels = [0.003, 0.01, 0.03, 0.1, 0.3];

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
        plot.XLabel("sampling steps");
        plot.YLabel("Jensen-Shannon divergence in nats");
        var steps = curves.SelectMany(curve => curve.Points).Select(point => point.StepCount).Distinct().Order().ToArray();
        plot.Axes.Bottom.SetTicks([.. steps.Select(count => Math.Log2(count))], [.. steps.Select(count => count.ToString(CultureInfo.InvariantCulture))]);
        plot.Axes.Left.SetTicks([.. levels.Select(level => Math.Log10(level))], [.. levels.Select(level => level.ToString(CultureInfo.InvariantCulture))]);
        plot.ShowLegend(Alignment.LowerLeft);
        plot.SavePng(path, Width, Height);
    }
}
