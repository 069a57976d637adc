using System.Globalization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace LmKit.QuickStart;

/// <summary>Shows a training run: a live table in a terminal, a line now and then anywhere else.</summary>
/// <param name="console">Where to show it; live when it is a terminal that can move its cursor.</param>
/// <param name="secondsBetweenLines">Least time between two lines of the plain form.</param>
public sealed class ProgressDisplay(IAnsiConsole console, double secondsBetweenLines = 10)
{
    private const int BarWidth = 60;
    private static readonly TimeSpan LiveInterval = TimeSpan.FromSeconds(0.2);

    /// <summary>Whether the display is a live table.</summary>
    public bool IsLive => console.Profile.Capabilities is { Interactive: true, Ansi: true } && console.Profile.Out.IsTerminal;

    /// <summary>Runs the work, showing each progress that it reports; the last step is always shown.</summary>
    /// <remarks>Reports come from one thread at a time and are cheap: most are only compared with the time of the last one shown.</remarks>
    public T Run<T>(Func<IProgress<TrainingProgress>, T> work)
    {
        if (!IsLive)
        {
            return work(new Throttle(
                TimeSpan.FromSeconds(secondsBetweenLines),
                // Past the console, which would wrap the line at 80 columns in a file.
                progress => console.Profile.Out.Writer.WriteLine(Line(progress))));
        }

        return console.Live(new Text("")).Start(live => work(new Throttle(LiveInterval, progress =>
        {
            live.UpdateTarget(Table(progress));
            live.Refresh();
        })));
    }

    /// <summary>One line that says how far the run is.</summary>
    public static string Line(TrainingProgress progress) => string.Create(
        CultureInfo.InvariantCulture,
        $"step {progress.Step:N0}/{progress.TotalSteps:N0}  loss {progress.Loss:F3}  {progress.BitsPerByte:F3} bits/byte  {progress.TokensPerSecond:N0} tokens/s  {progress.BytesPerSecond / 1000:F1} kB/s  {Clock(progress.Left)} left");

    private Rows Table(TrainingProgress progress)
    {
        FormattableString[] cells =
        [
            $"{progress.Step:N0}/{progress.TotalSteps:N0}", $"{progress.Loss:F3}", $"{progress.BitsPerByte:F3}",
            $"{progress.TokensPerSecond:N0}", $"{progress.BytesPerSecond / 1000:F1}", $"{Clock(progress.Elapsed)}", $"{Clock(progress.Left)}",
        ];
        var table = new Table().Border(TableBorder.Simple).AddColumns("step", "loss", "bits/byte", "tokens/s", "kB/s of text", "elapsed", "left");
        return new Rows(table.AddRow(cells.Select(FormattableString.Invariant).ToArray()), Bar(progress));
    }

    private Markup Bar(TrainingProgress progress)
    {
        var done = (int)Math.Clamp(BarWidth * progress.Step / Math.Max(1, progress.TotalSteps), 0, BarWidth);
        // U+2501, a heavy line, where the terminal has it.
        var mark = console.Profile.Capabilities.Unicode ? '\u2501' : '-';
        return new Markup($"[green]{new string(mark, done)}[/][grey]{new string(mark, BarWidth - done)}[/]");
    }

    private static string Clock(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalMinutes}:{time.Seconds:D2}");

    // Passes on the first report, the last, and those at least an interval of training time after the one before.
    private sealed class Throttle(TimeSpan interval, Action<TrainingProgress> show) : IProgress<TrainingProgress>
    {
        private TimeSpan? shown;

        public void Report(TrainingProgress value)
        {
            if (shown is null || value.IsLast || value.Elapsed - shown >= interval)
            {
                shown = value.Elapsed;
                show(value);
            }
        }
    }
}
