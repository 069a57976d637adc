using ScottPlot;

namespace LmKit.Experiments;

/// <summary>Curves over one axis, drawn as a PNG.</summary>
/// <param name="Title">The heading.</param>
/// <param name="Horizontal">What the horizontal axis counts.</param>
/// <param name="Vertical">What the vertical axis measures, with its unit.</param>
/// <param name="Curves">Name, places and values of each curve.</param>
internal sealed record ResultPlot(string Title, string Horizontal, string Vertical, IReadOnlyList<(string Name, double[] Places, double[] Values)> Curves)
{
    private const int Width = 960;
    private const int Height = 540;

    /// <summary>Writes the picture beside its name and renames it; a picture that was there is replaced.</summary>
    internal void Save(string path)
    {
        using var plot = new Plot();
        foreach (var (name, places, values) in Curves)
        {
            var line = plot.Add.Scatter(places, values);
            line.LegendText = name;
            line.MarkerSize = 4;
        }
        plot.Title(Title);
        plot.XLabel(Horizontal);
        plot.YLabel(Vertical);
        plot.ShowLegend();
        AtomicFile.Write(path, stream => stream.Write(plot.GetImageBytes(Width, Height, ImageFormat.Png)));
    }
}
