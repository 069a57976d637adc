using ScottPlot;

namespace LmKit.LongStream;

/// <summary>Perplexity and memory over a stream as a picture.</summary>
public static class StreamPlot
{
    private const int Width = 960;
    private const int Height = 720;

    /// <summary>Writes a PNG file with two panels over the tokens read.</summary>
    /// <param name="path">The file; its folder is made when missing, an existing file is replaced.</param>
    /// <param name="points">The bins; at least one.</param>
    /// <exception cref="ArgumentException"><paramref name="points"/> is empty.</exception>
    public static void Save(string path, IReadOnlyList<StreamPoint> points)
    {
        ArgumentNullException.ThrowIfNull(points);
        if (points.Count == 0)
            throw new ArgumentException($"There is nothing to plot in {path}: no bin was read.", nameof(points));
        var panels = new Multiplot();
        panels.AddPlots(2);
        var tokens = points.Select(point => (double)point.Tokens).ToArray();
        var upper = panels.GetPlot(0);
        Line(upper, tokens, points.Select(point => point.Perplexity), Colors.SteelBlue, "");
        Label(upper, "Perplexity of each bin", "perplexity");
        var lower = panels.GetPlot(1);
        Line(lower, tokens, points.Select(point => Mebibytes(point.ResidentBytes)), Colors.DarkOrange, "resident memory of the process");
        Line(lower, tokens, points.Select(point => Mebibytes(point.StateBytes)), Colors.DarkGreen, "carried state");
        Label(lower, "Memory", "MiB");
        lower.ShowLegend(Alignment.MiddleRight);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        panels.SavePng(path, Width, Height);
    }

    private static void Line(Plot plot, double[] tokens, IEnumerable<double> values, Color color, string legend)
    {
        var line = plot.Add.ScatterLine(tokens, values.ToArray(), color);
        line.LineWidth = 2.5f;
        line.LegendText = legend;
    }

    private static void Label(Plot plot, string title, string values)
    {
        plot.Title(title);
        plot.XLabel("tokens read");
        plot.YLabel(values);
        plot.Axes.SetLimitsY(0, 1.1 * plot.Axes.GetDataLimits().Top);
    }

    private static double Mebibytes(long bytes) => bytes / 1024.0 / 1024;
}
