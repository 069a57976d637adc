using System.Globalization;
using System.Text;

namespace LmKit;

/// <summary>The CSV file of a run's steps. Not thread-safe.</summary>
internal sealed class LossCurve : IDisposable
{
    private const string Head = "step,loss,token_count,gradient_norm,learning_rate,evaluation,evaluation_error,elapsed_seconds,figures";

    private readonly FileStream file;

    private LossCurve(FileStream file) => this.file = file;

    /// <summary>Opens a file at a step: the rows after it are cut, and a row that a killed process left unfinished. At step 0 the file of an
    /// earlier run is set aside, <c>curve.1.csv</c>.</summary>
    /// <returns>The curve, and where an earlier run's is now, or null.</returns>
    /// <exception cref="IOException">The file is there and is something else.</exception>
    internal static (LossCurve Curve, string? Aside) Open(string path, long step)
    {
        if (Directory.Exists(path))
            throw new IOException($"{path} is a folder, not a loss curve; give {nameof(TrainingOptions.LossCurveFile)} another name.");
        var text = File.Exists(path) ? File.ReadAllText(path) : "";
        var rows = Rows(path, text).ToArray();
        var aside = step == 0 && rows.Length > 0 ? SetAside(path) : null;
        var kept = Head + "\n" + string.Concat(rows.TakeWhile(row => row.Step <= step).Select(row => row.Text + "\n"));
        if (aside is not null || text != kept)
        {
            if (Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
                Directory.CreateDirectory(folder);
            AtomicFile.WriteText(path, kept);
        }
        return (new LossCurve(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0)), aside);
    }

    /// <summary>Adds a step's row; what the step does not have is left empty.</summary>
    internal void Append(TrainingStep step)
    {
        var figures = string.Join(' ', step.Figures.Select(pair => $"{pair.Key}={Number(pair.Value)}"));
        // Nothing is buffered: a full disk is said at the step it happens in, and not again by Dispose.
        file.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{step.Step},{Number(step.Loss)},{step.TokenCount},{Number(step.GradientNorm)},{Number(step.LearningRate)},{Number(step.Evaluation?.Value)},{Number(step.Evaluation?.StandardError)},{Number(step.Elapsed.TotalSeconds)},{Quoted(figures)}\n")));
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();

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

    private static string SetAside(string path)
    {
        var (start, ending) = (Path.ChangeExtension(path, null), Path.GetExtension(path));
        for (var number = 1; ; number++)
        {
            var aside = string.Create(CultureInfo.InvariantCulture, $"{start}.{number}{ending}");
            if (Path.Exists(aside))
                continue;
            File.Move(path, aside);
            return aside;
        }
    }

    private static IOException NotACurve(string path, int number, string line) =>
        new($"{path} is there and is not a loss curve: line {number} is '{(line.Length > 60 ? line[..60] + "..." : line)}', and a curve begins with '{Head}'. It is not overwritten; give {nameof(TrainingOptions.LossCurveFile)} another name.");
}
