using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace LmKit.Fuzz;

/// <summary>What reading one case came to.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="Value">A digest of what was read; empty when nothing was.</param>
/// <param name="Fault">The exception's type; empty for none.</param>
/// <param name="Message">Its message.</param>
/// <param name="ProcessorTime">Processor time it took.</param>
/// <param name="PeakBytes">Memory it took at its peak, above what the process had.</param>
internal sealed record CaseReading(Outcome Outcome, string Value, string Fault, string Message, TimeSpan ProcessorTime, long PeakBytes)
{
    /// <summary>Reads a case in this process, whatever comes of it.</summary>
    internal static CaseReading Of(FuzzTarget target, string folder, string seed, long fileBytes)
    {
        var gauge = MemoryGauge.Start();
        var before = Environment.CpuUsage.TotalTime;
        var reading = Read(target, folder, seed);
        var (time, peak) = (Environment.CpuUsage.TotalTime - before, gauge.Peak());
        if (time > ReadLimits.ProcessorTime)
            reading = reading with { Outcome = Outcome.Hang };
        else if (peak > ReadLimits.Memory(fileBytes))
            reading = reading with { Outcome = Outcome.Memory };
        return reading with { ProcessorTime = time, PeakBytes = peak };
    }

    private static CaseReading Read(FuzzTarget target, string folder, string seed)
    {
        using var scope = torch.NewDisposeScope();
        try
        {
            return new CaseReading(Outcome.Accepted, Digest.Of(target.Read(folder, seed)), "", "", default, 0);
        }
        catch (Exception error)
        {
            var outcome = target.Judge?.Invoke(error) ?? Judge(error, target, folder);
            return new CaseReading(outcome, "", error.GetType().Name, outcome == Outcome.WrongType ? Told(error) : error.Message, default, 0);
        }
    }

    // What was odd about a call, the message's first line, and where in the library it came from.
    private static string Told(Exception error)
    {
        var oddities = error.Data["oddities"] is string text ? $"[{text}] " : "";
        var place = (error.StackTrace ?? "").Split('\n').FirstOrDefault(line => line.Contains(" LmKit.", StringComparison.Ordinal) && !line.Contains(" LmKit.Fuzz.", StringComparison.Ordinal));
        return $"{oddities}{error.Message.Split('\n')[0]} {place?.Split(" in ")[0].Trim()}";
    }

    /// <summary>Tells a reader's own refusal from what slipped through it.</summary>
    internal static Outcome Judge(Exception error, FuzzTarget target, string folder)
    {
        if (error is OutOfMemoryException)
            return Outcome.Memory;
        var isNamed = !target.NamesFiles || Names(folder).Any(name => error.Message.Contains(name, StringComparison.Ordinal));
        var type = error.GetType();
        if (type.Assembly.GetName().Name!.StartsWith("LmKit.", StringComparison.Ordinal))
            return isNamed ? Outcome.Refused : Outcome.NoFile;
        if (error is ExternalException or EndOfStreamException or PathTooLongException)
            return Outcome.WrongType;
        if (error is InvalidDataException or IOException or NotSupportedException or UnauthorizedAccessException)
            return isNamed ? Outcome.Refused : Outcome.NoFile;
        // An argument is at fault only where it is said which file came as that argument.
        return type == typeof(ArgumentException) && isNamed ? Outcome.Refused : Outcome.WrongType;
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(file => Path.GetFileName(file)).Append(folder);
}
