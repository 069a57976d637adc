using System.Globalization;
using LmKit.QuickStart;
using Spectre.Console;

namespace LmKit.LongStream;

/// <summary>What a run does.</summary>
/// <param name="Tokens">Tokens of the text to read.</param>
/// <param name="ChunkLength">Tokens of a call.</param>
/// <param name="BinLength">Tokens of a point of the curves.</param>
public sealed record LongStreamSettings(int Tokens, int ChunkLength, int BinLength)
{
    /// <summary>100,000 tokens.</summary>
    public static LongStreamSettings Default { get; } = new(100_000, 512, 2_048);

    /// <summary>A run of seconds that only shows that everything works.</summary>
    public static LongStreamSettings Toy { get; } = new(3_000, 64, 512);
}

/// <summary>The whole run: open the model, cut the text into tokens, stream it, plot.</summary>
/// <param name="settings">Its sizes.</param>
/// <param name="change">Changes the model while it is opened; null for none.</param>
public sealed class LongStreamRun(LongStreamSettings settings, Action<LanguageModelBuilder>? change)
{
    /// <summary>Reads a text through a folder's model.</summary>
    /// <param name="folder">The model's folder, LmKit's or a published one, with its tokenizer.</param>
    /// <param name="text">The text.</param>
    /// <param name="plot">The PNG file to write, or null.</param>
    /// <param name="cancellation">Stops between calls.</param>
    public IReadOnlyList<StreamPoint> Execute(string folder, string text, string? plot, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(text);
        using var model = LanguageModel.Load(folder, QuickStartModel.AddKinds, change);
        model.eval();
        var ids = TokenizerFiles.Load(folder).Tokenizer.EncodeToIds(text);
        if (ids.Count < 2)
            throw new InvalidDataException($"The text has {ids.Count} token(s); give one of at least two with --text.");
        if (ids.Count <= settings.Tokens)
            Say($"The text has {ids.Count:N0} tokens, fewer than the {settings.Tokens:N0} asked for; it is read to its end.");
        var read = ids.Take(settings.Tokens + 1).ToArray();
        Say($"{folder}: {model.parameters().Sum(parameter => parameter.numel()):N0} parameters; {read.Length - 1:N0} tokens in calls of {settings.ChunkLength}");
        var points = new StreamDisplay(AnsiConsole.Console).Run(progress => new TokenStreamReader(model, settings.ChunkLength, settings.BinLength).Read(read, progress, cancellation));
        Summarize(points);
        if (plot is not null)
        {
            StreamPlot.Save(plot, points);
            Say($"plot: {plot}");
        }
        return points;
    }

    private static void Summarize(IReadOnlyList<StreamPoint> points)
    {
        var early = points[Math.Min(points.Count - 1, points.Count / 10)];
        var late = points[^1];
        Say($"perplexity of the first bin {points[0].Perplexity:F2}, of all {Math.Exp(Mean(points)):F2}, of the last {late.Perplexity:F2}");
        Say($"resident memory after {early.Tokens:N0} tokens {early.ResidentBytes >> 20:N0} MiB, after {late.Tokens:N0} {late.ResidentBytes >> 20:N0} MiB; memory of the carried state {early.StateBytes / 1024:N0} and {late.StateBytes / 1024:N0} KiB");
    }

    // Over tokens: the last bin may be shorter.
    private static double Mean(IReadOnlyList<StreamPoint> points)
    {
        var (sum, before) = (0.0, 0L);
        foreach (var point in points)
        {
            sum += point.Loss * (point.Tokens - before);
            before = point.Tokens;
        }
        return sum / before;
    }

    private static void Say(FormattableString line) => AnsiConsole.Profile.Out.Writer.WriteLine(line.ToString(CultureInfo.InvariantCulture));
}
