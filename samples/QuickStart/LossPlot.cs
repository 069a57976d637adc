using ScottPlot;

namespace LmKit.QuickStart;

/// <summary>The loss curve of a training run as a picture.</summary>
public static class LossPlot
{
    private const int Width = 960;
    private const int Height = 540;
    private static readonly Color[] YardstickColors = [Colors.DarkGreen, Colors.MediumSeaGreen, Colors.Purple, Colors.MediumVioletRed, Colors.Gray];
    // The first steps start near 8 bits a byte and would flatten all that follows.
    private const double Headroom = 1.1;

    /// <summary>Writes bits per byte over steps as a PNG file, with the yardsticks as dashed lines.</summary>
    /// <param name="path">The file; its folder is made when missing, an existing file is replaced.</param>
    /// <param name="training">The training loss, in order of steps; the curve drawn is its running mean, over the raw values in a pale colour.</param>
    /// <param name="validation">Steps with the bits per byte of the validation text measured there; may be empty.</param>
    /// <param name="yardsticks">What to compare with; may be empty.</param>
    /// <exception cref="InvalidDataException"><paramref name="training"/> is empty.</exception>
    public static void Save(string path, IReadOnlyList<TrainingProgress> training, IReadOnlyList<(long Step, double BitsPerByte)> validation, IReadOnlyList<Yardstick> yardsticks)
    {
        if (training.Count == 0)
            throw new InvalidDataException($"There is no loss to plot in {path}: no training step was reported.");

        using var plot = new Plot();
        var steps = training.Select(point => (double)point.Step).ToArray();
        var losses = training.Select(point => point.BitsPerByte).ToArray();
        var smooth = RunningMean(losses, Math.Max(1, losses.Length / 100));
        Line(plot, steps, losses, Colors.LightSteelBlue, 1, "");
        Line(plot, steps, smooth, Colors.SteelBlue, 2.5f, "training (running mean)");
        if (validation.Count > 0)
        {
            var points = plot.Add.Scatter(validation.Select(point => (double)point.Step).ToArray(), validation.Select(point => point.BitsPerByte).ToArray(), Colors.DarkOrange);
            points.LegendText = FormattableString.Invariant($"held-out text: {validation[^1].BitsPerByte:F3}");
            points.MarkerSize = 8;
            points.LineWidth = 2.5f;
        }

        foreach (var (yardstick, index) in yardsticks.Select((yardstick, index) => (yardstick, index)))
        {
            var line = plot.Add.HorizontalLine(yardstick.BitsPerByte, 1.5f, YardstickColors[index % YardstickColors.Length], LinePattern.Dashed);
            line.LegendText = FormattableString.Invariant($"{yardstick.Name}: {yardstick.BitsPerByte:F3}");
        }

        plot.Title("Loss");
        plot.XLabel("step");
        plot.YLabel("bits per byte of text");
        plot.ShowLegend(Alignment.UpperRight);
        var lines = yardsticks.Select(yardstick => yardstick.BitsPerByte).Concat(validation.Select(point => point.BitsPerByte)).ToArray();
        // The curve enters at the top after a tenth of its steps at the latest.
        var top = Headroom * lines.Append(smooth[smooth.Length / 10]).Max();
        plot.Axes.SetLimits(0, steps[^1] * 1.02, lines.Concat(smooth).Min() / Headroom, top);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        plot.SavePng(path, Width, Height);
    }

    private static void Line(Plot plot, double[] steps, double[] values, Color color, float width, string legend)
    {
        var line = plot.Add.ScatterLine(steps, values, color);
        line.LineWidth = width;
        line.LegendText = legend;
    }

    private static double[] RunningMean(double[] values, int reach) =>
        Enumerable.Range(0, values.Length).Select(i => values[Math.Max(0, i - reach)..Math.Min(values.Length, i + reach + 1)].Average()).ToArray();
}
