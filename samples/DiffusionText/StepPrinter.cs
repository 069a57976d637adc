using System.Diagnostics;
using System.Globalization;
using Spectre.Console;

namespace LmKit.DiffusionText;

/// <summary>Prints a line now and then while something is trained.</summary>
internal sealed class StepPrinter(double secondsBetweenLines = 10) : IProgress<TrainingStep>, IProgress<DistillationStep>
{
    private readonly Stopwatch clock = Stopwatch.StartNew();
    private TimeSpan? shown;

    public void Report(TrainingStep value) => Print(value.Step == value.TotalSteps, $"teacher {value.Step}/{value.TotalSteps}  loss {value.Loss:F3}");

    public void Report(DistillationStep value)
    {
        if (value.Reading is { } reading)
            Print(true, $"guard at {reading.Step}: {reading.Student}; teacher {reading.Teacher}: {reading.Verdict}");
        else
            Print(value.Step == value.TotalSteps, $"step {value.Step}/{value.TotalSteps}  helper loss {value.HelperLoss:F3}  accuracy {value.Accuracy:F2}  reward {value.Reward:F3}  KL {value.Divergence:F3}  entropy {value.Entropy:F3}");
    }

    private void Print(bool always, FormattableString line)
    {
        if (!always && shown is { } last && clock.Elapsed - last < TimeSpan.FromSeconds(secondsBetweenLines))
            return;
        shown = clock.Elapsed;
        AnsiConsole.Profile.Out.Writer.WriteLine(line.ToString(CultureInfo.InvariantCulture));
    }
}
