using System.Globalization;
using System.Net;
using System.Text;

namespace LmKit;

/// <summary>Curves over a logarithmic axis, as a picture that needs no library to draw.</summary>
internal static class LengthPlot
{
    private const int Width = 960;
    private const int Height = 540;
    private const int Left = 70;
    private const int Right = 190;
    private const int Top = 40;
    private const int Bottom = 60;
    private const int Steps = 5; // of the vertical axis

    private static readonly string[] Colours = ["#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#17becf", "#7f7f7f"];

    /// <summary>Draws.</summary>
    /// <param name="title">The heading.</param>
    /// <param name="horizontal">What the horizontal axis counts.</param>
    /// <param name="vertical">What the vertical axis measures.</param>
    /// <param name="curves">Name and points of each curve, places above 0.</param>
    internal static string Draw(string title, string horizontal, string vertical, IReadOnlyList<(string Name, (double Place, double Value)[] Points)> curves)
    {
        var all = curves.SelectMany(curve => curve.Points).ToArray();
        var (first, last) = (Math.Log(all.Min(point => point.Place)), Math.Log(all.Max(point => point.Place)));
        var (low, high) = (all.Min(point => point.Value), all.Max(point => point.Value));
        (last, high) = (last > first ? last : first + 1, high > low ? high : low + 1);
        var page = new StringBuilder();
        Line($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{Height}\" font-family=\"sans-serif\" font-size=\"13\">");
        Line($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>");
        Label(Width / 2, Top / 2 + 5, "middle", title);
        Label((Left + Width - Right) / 2, Height - 15, "middle", horizontal);
        Label(Left, Top - 8, "middle", vertical);
        Line($"<path d=\"M{Left} {Top}V{Height - Bottom}H{Width - Right}\" stroke=\"black\" fill=\"none\"/>");
        foreach (var place in curves[0].Points.Select(point => point.Place))
            Label(X(place), Height - Bottom + 20, "middle", place.ToString("F0", CultureInfo.InvariantCulture));
        for (var step = 0; step <= Steps; step++)
        {
            var value = low + (high - low) * step / Steps;
            Label(Left - 8, Y(value) + 4, "end", value.ToString("F2", CultureInfo.InvariantCulture));
        }
        foreach (var (index, (name, points)) in curves.Index())
        {
            var colour = Colours[index % Colours.Length];
            Line($"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{string.Join(' ', points.Select(point => FormattableString.Invariant($"{X(point.Place):F1},{Y(point.Value):F1}")))}\"/>");
            Line($"<rect x=\"{Width - Right + 20}\" y=\"{Top + 22 * index}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>");
            Label(Width - Right + 40, Top + 22 * index + 6, "start", name);
        }
        return page.Append("</svg>\n").ToString();

        double X(double place) => Left + (Math.Log(place) - first) / (last - first) * (Width - Left - Right);

        double Y(double value) => Height - Bottom - (value - low) / (high - low) * (Height - Top - Bottom);

        void Label(double x, double y, string anchor, string text) => Line($"<text x=\"{x:F1}\" y=\"{y:F1}\" text-anchor=\"{anchor}\">{WebUtility.HtmlEncode(text)}</text>");

        void Line(FormattableString text) => page.Append(FormattableString.Invariant(text)).Append('\n');
    }
}
