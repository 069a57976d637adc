using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace LmKit.DiffusionText;

/// <summary>Prints a line now and then while something is trained.</summary>
internal sealed class StepPrinter(double secondsBetweenLines = 10) : IProgress<TrainingStep>
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private TimeSpan? shown;

    public void Report(TrainingStep value) => Print(value.Step == value.TotalSteps, $"teacher {value.Step}/{value.TotalSteps}  loss {value.Loss:F3}");

    internal void Report(TrainingStep value, GuardReading? read)
    {
        if (read is { } reading)
            Print(true, $"guard at {reading.Step}: {reading.Student}; teacher {reading.Teacher}: {reading.Verdict}");
        else
            Print(value.Step == value.TotalSteps, $"step {value.Step}/{value.TotalSteps}  loss {value.Loss:F3}{string.Concat(value.Figures.Select(figure => string.Create(CultureInfo.InvariantCulture, $"  {figure.Key} {figure.Value:F3}")))}");
    }

    private void Print(bool always, FormattableString line)
    {
        if (!always && shown is { } last && clock.Elapsed - last < TimeSpan.FromSeconds(secondsBetweenLines))
            return;
        shown = clock.Elapsed;
        AnsiConsole.Profile.Out.Writer.WriteLine(line.ToString(CultureInfo.InvariantCulture));
    }
}
