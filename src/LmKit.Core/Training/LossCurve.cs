using System.Globalization;

namespace LmKit;

/// <summary>The CSV file of a run's steps. Not thread-safe.</summary>
internal sealed class LossCurve : IDisposable
{
    private const string Head = "step,loss,token_count,gradient_norm,learning_rate,evaluation,evaluation_error,elapsed_seconds,figures";

    private readonly StreamWriter writer;

    private LossCurve(StreamWriter writer) => this.writer = writer;

    /// <summary>Opens a file at a step: the rows after it are cut, and a row that a killed process left unfinished.</summary>
    /// <exception cref="IOException">The file is there and is something else.</exception>
    internal static LossCurve Open(string path, long step)
    {
        if (Directory.Exists(path))
            throw new IOException($"{path} is a folder, not a loss curve; give {nameof(TrainingOptions.LossCurveFile)} another name.");
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        var kept = Head + "\n" + string.Concat(Rows(path, text).TakeWhile(row => row.Step <= step).Select(row => row.Text + "\n"));
        if (text != kept)
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
                Directory.CreateDirectory(folder);
            AtomicFile.WriteText(path, kept);
        }
        return new LossCurve(new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite)) { AutoFlush = true });
    }

    /// <summary>Adds a step's row; what the step does not have is left empty.</summary>
    internal void Append(TrainingStep step)
    {
        var figures = string.Join(' ', step.Figures.Select(pair => $"{pair.Key}={Number(pair.Value)}"));
        writer.Write($"{step.Step},{Number(step.Loss)},{step.TokenCount},{Number(step.GradientNorm)},{Number(step.LearningRate)},{Number(step.Evaluation?.Value)},{Number(step.Evaluation?.StandardError)},{Number(step.Elapsed.TotalSeconds)},{Quoted(figures)}\n");
    }

    /// <inheritdoc/>
    public void Dispose() => writer.Dispose();

    private static string Number(double? value) => value is { } number && double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "";

    private static string Quoted(string text) => text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private static IEnumerable<(long Step, string Text)> Rows(string path, string text)
    {
        if (text.Length == 0)
            yield break;
        var lines = text.Split('\n');
        if (lines[0].TrimEnd('\r') != Head)
            throw NotACurve(path, 1, lines[0]);
        // The last one is what comes after the last line feed: nothing, or a row that was not finished.
        for (var index = 1; index < lines.Length - 1; index++)
        {
            var line = lines[index].TrimEnd('\r');
            yield return long.TryParse(line.AsSpan(0, Math.Max(0, line.IndexOf(',', StringComparison.Ordinal))), NumberStyles.None, CultureInfo.InvariantCulture, out var step)
                ? (step, line)
                : throw NotACurve(path, index + 1, line);
        }
    }

    private static IOException NotACurve(string path, int number, string line) =>
        new($"{path} is there and is not a loss curve: line {number} is '{(line.Length > 60 ? line[..60] + "..." : line)}', and a curve begins with '{Head}'. It is not overwritten; give {nameof(TrainingOptions.LossCurveFile)} another name.");
}
