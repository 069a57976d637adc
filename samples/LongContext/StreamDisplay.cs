using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace LmKit.LongStream;

/// <summary>Shows a stream while it is read: a table with two curves in a terminal, a line a bin anywhere else.</summary>
/// <param name="console">Where to show it; live when it is a terminal that can move its cursor.</param>
public sealed class StreamDisplay(IAnsiConsole console)
{
    private const int Columns = 64;

    // U+2581 to U+2588: blocks of one to eight eighths.
    private const char LowestBlock = '\u2581';

    /// <summary>Whether the display is live.</summary>
    public bool IsLive => console.Profile.Capabilities is { Interactive: true, Ansi: true } && console.Profile.Out.IsTerminal;

    /// <summary>Runs the work, showing each bin that it reports.</summary>
    public T Run<T>(Func<IProgress<StreamPoint>, T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (!IsLive)
            return work(new Listener(point => console.Profile.Out.Writer.WriteLine(Line(point))));
        var seen = new List<StreamPoint>();
        return console.Live(new Text("")).Start(live => work(new Listener(point =>
        {
            seen.Add(point);
            live.UpdateTarget(View(seen));
            live.Refresh();
        })));
    }

    /// <summary>One line that says how the stream stands.</summary>
    public static string Line(StreamPoint point)
    {
        ArgumentNullException.ThrowIfNull(point);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"token {point.Tokens:N0}/{point.TotalTokens:N0}  perplexity {point.Perplexity:F2}  {point.TokensPerSecond:N0} tokens/s  state memory {Mebibytes(point.StateBytes)} MiB  resident memory {Mebibytes(point.ResidentBytes)} MiB");
    }

    private Rows View(List<StreamPoint> seen)
    {
        var last = seen[^1];
        FormattableString[] cells =
        [
            $"{last.Tokens:N0}/{last.TotalTokens:N0}", $"{last.Perplexity:F2}", $"{last.TokensPerSecond:N0}", $"{Mebibytes(last.StateBytes)}", $"{Mebibytes(last.ResidentBytes)}",
        ];
        var table = new Table().Border(TableBorder.Simple).AddColumns("token", "perplexity", "tokens/s", "state, MiB", "resident, MiB");
        return new Rows(
            table.AddRow(cells.Select(FormattableString.Invariant).ToArray()),
            Curve("perplexity", [.. seen.Select(point => point.Perplexity)]),
            Curve("resident  ", [.. seen.Select(point => (double)point.ResidentBytes)]));
    }

    // From 0 to the largest value, so that what is flat looks flat.
    private Text Curve(string name, IReadOnlyList<double> values)
    {
        var (shown, most) = (Thinned(values), values.Max());
        if (!console.Profile.Capabilities.Unicode)
            return new Text("");
        var blocks = shown.Select(value => (char)(LowestBlock + (int)Math.Clamp(Math.Floor(8 * value / most), 0, 7)));
        return new Text($"{name} {string.Concat(blocks)}");
    }

    private static IEnumerable<double> Thinned(IReadOnlyList<double> values) =>
        values.Count <= Columns ? values : Enumerable.Range(0, Columns).Select(column => values[(int)((long)column * values.Count / Columns)]);

    private static string Mebibytes(long bytes) => (bytes / 1024.0 / 1024).ToString("F1", CultureInfo.InvariantCulture);

    private sealed class Listener(Action<StreamPoint> show) : IProgress<StreamPoint>
    {
        public void Report(StreamPoint value) => show(value);
    }
}
