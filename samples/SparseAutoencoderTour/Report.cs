using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace LmKit.SparseAutoencoderTour;

/// <summary>What the runs found, as Markdown; lines of progress go to the console.</summary>
public sealed class Report(TextWriter console)
{
    private readonly StringBuilder text = new();
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private TimeSpan began;

    /// <summary>Whether every window so far holds.</summary>
    public bool IsReproduced { get; private set; } = true;

    /// <summary>Everything written so far.</summary>
    public string Markdown => text.ToString();

    /// <summary>Begins a run.</summary>
    public void Begin(string title)
    {
        began = watch.Elapsed;
        text.Append(CultureInfo.InvariantCulture, $"## {title}\n\n");
        Say($"{title}");
    }

    /// <summary>Adds text and shows it.</summary>
    public void Add(string markdown)
    {
        text.Append(markdown).Append("\n\n");
        console.WriteLine(markdown);
    }

    /// <summary>Shows a line of progress.</summary>
    public void Say(FormattableString line) =>
        console.WriteLine(FormattableString.Invariant($"[{watch.Elapsed.TotalSeconds,5:F1} s] ") + FormattableString.Invariant(line));

    /// <summary>Closes a run with its windows and the time it took.</summary>
    public void Judge(params IReadOnlyList<Window> windows)
    {
        ArgumentNullException.ThrowIfNull(windows);
        var holds = windows.All(window => window.Holds);
        IsReproduced &= holds;
        var table = new StringBuilder("| counts as reproduced if | measured | |\n|---|---|---|\n");
        foreach (var window in windows)
            table.Append(CultureInfo.InvariantCulture, $"| {window.Text} | {window.Measured} | {(window.Holds ? "yes" : "**no**")} |\n");
        table.Append(CultureInfo.InvariantCulture, $"\n{(holds ? "Reproduced" : "**Not reproduced**: not every window holds")}; {(watch.Elapsed - began).TotalSeconds:F0} s.");
        Add(table.ToString());
    }
}
