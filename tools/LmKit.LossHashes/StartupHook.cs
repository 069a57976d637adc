using System.Diagnostics.Metrics;
using System.Globalization;

/// <summary>Writes the losses that a program's trainers record to their meters into the file <c>LMKIT_LOSSES</c>; .NET runs it before the
/// program, because <c>DOTNET_STARTUP_HOOKS</c> names this assembly.</summary>
/// <remarks>One line a loss, in the order of recording: the instrument, its tags as name=value, and the value in as many digits as tell it
/// from its neighbours. Name and shape of this class are what .NET asks for.</remarks>
internal static class StartupHook
{
    internal const string FileVariable = "LMKIT_LOSSES";

    private static readonly Lock Gate = new();
    private static MeterListener? listener;

    /// <summary>Starts to listen to every histogram of a meter <c>LmKit.*</c> whose name ends in <c>.loss</c>.</summary>
    internal static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(FileVariable) is not { Length: > 0 } path)
            return;
        var file = new Lazy<StreamWriter>(() => new StreamWriter(path, append: true) { AutoFlush = true }); // a program that is killed leaves what it recorded
        listener = new MeterListener { InstrumentPublished = Enable };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Write(file.Value, instrument.Name, value, tags));
        listener.Start();
    }

    private static void Enable(Instrument instrument, MeterListener listening)
    {
        if (instrument is Histogram<double> && instrument.Meter.Name.StartsWith("LmKit.", StringComparison.Ordinal) && instrument.Name.EndsWith(".loss", StringComparison.Ordinal))
            listening.EnableMeasurementEvents(instrument);
    }

    private static void Write(StreamWriter file, string name, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        lock (Gate)
        {
            file.Write(name);
            foreach (var (key, tag) in tags)
                file.Write(string.Create(CultureInfo.InvariantCulture, $" {key}={tag}"));
            file.Write(string.Create(CultureInfo.InvariantCulture, $" {value:R}\n"));
        }
    }
}
