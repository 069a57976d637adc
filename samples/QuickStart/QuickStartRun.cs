using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace LmKit.QuickStart;

/// <summary>The whole run: read, tokenize, train, measure, save, reload, generate.</summary>
/// <param name="settings">The size of the run.</param>
/// <param name="folder">Where the model folder goes; the token files lie beside it.</param>
/// <param name="seed">Seed of the parameters, the windows and the generated text.</param>
/// <param name="greedy">Whether to take the most likely token each time.</param>
public sealed class QuickStartRun(QuickStartSettings settings, string folder, ulong seed, bool greedy)
{
    private const int EvaluationFactor = 4;
    private readonly Stopwatch watch = Stopwatch.StartNew();
    private readonly List<TrainingProgress> curve = [];

    /// <summary>Told of every training step.</summary>
    public event Action<TrainingProgress>? Stepped;

    /// <summary>Runs it.</summary>
    /// <param name="split">The text.</param>
    /// <param name="plot">Where to draw the loss, or null.</param>
    /// <param name="prompt">The text to continue; null takes the held-out text's first words.</param>
    /// <param name="cancellation">Observed between steps and between tokens.</param>
    public void Execute(TextSplit split, string? plot, string? prompt, CancellationToken cancellation)
    {
        var (training, validation) = (Encoding.UTF8.GetBytes(split.Training), Encoding.UTF8.GetBytes(split.Validation));
        Say($"{split.Source}: {training.Length:N0} bytes to train on, {validation.Length:N0} held out ({string.Join(", ", split.HeldOut.Take(3))}{(split.HeldOut.Count > 3 ? ", ..." : "")})");
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(folder))!);
        var vocabulary = new BytePairTrainer(new BytePairOptions { VocabSize = settings.VocabSize }).Train([split.Training], cancellation);
        var tokenizer = vocabulary.CreateTokenizer();
        using var data = Tokens("training", split.Training, tokenizer, cancellation);
        using var heldOut = Tokens("validation", split.Validation, tokenizer, cancellation);
        if (heldOut.Count < 2)
            throw new InvalidDataException($"{split.Source} leaves {heldOut.Count} token(s) to measure on; give a longer text.");
        if (prompt is not null && tokenizer.Tokenizer.CountTokens(prompt) == 0)
            throw new InvalidDataException("--prompt is empty; give at least one character, or leave it out.");
        var bytesPerToken = training.Length / (double)data.Count;
        Say($"{vocabulary.Entries.Count:N0} byte-pair entries, {data.Count:N0} tokens of {bytesPerToken:F2} bytes");

        var bitsPerByte = Train(data, heldOut, vocabulary, tokenizer, bytesPerToken, validation.Length, cancellation);
        // After the training, which would lose far more to a busy core than these need.
        var references = Yardstick.ByteModels(training, validation).Concat(Yardstick.Compressors(training, validation, cancellation)).ToArray();
        Compare(bitsPerByte, references);
        if (plot is not null)
        {
            LossPlot.Save(plot, curve, [(settings.Steps, bitsPerByte.Value)], references);
            Say($"loss curve: {plot}");
        }

        Generate(prompt ?? FirstWords(split.Validation), cancellation);
        Say($"done");
    }

    private TokenDataset Tokens(string name, string text, ModelTokenizer tokenizer, CancellationToken cancellation) =>
        TokenDataset.Create([new TextDocument(name, text)], tokenizer, $"{folder}.{name}.tokens", cancellation);

    private Estimate Train(
        TokenDataset data,
        TokenDataset heldOut,
        BytePairVocabulary vocabulary,
        ModelTokenizer tokenizer,
        double bytesPerToken,
        long validationBytes,
        CancellationToken cancellation)
    {
        var services = new ServiceCollection();
        services.AddQuickStartModel(settings, tokenizer.VocabSize, seed);
        using var provider = services.BuildServiceProvider();
        var model = provider.GetRequiredService<LanguageModel>();
        Say($"{model.parameters().Sum(parameter => parameter.numel()):N0} parameters, {settings.LayerCount} layers of width {settings.ModelDim}, windows of {settings.WindowLength} tokens");

        var task = new LanguageModelTask(model, data, settings.WindowLength, settings.BatchSize, (long)seed);
        using var trainer = new Trainer(task, new TrainingOptions
        {
            Steps = settings.Steps,
            LearningRate = 6e-3,
            WarmupSteps = Math.Min(50, settings.Steps / 4),
            Beta2 = 0.98,
            WeightDecay = 0.3,
            FinalShare = 0,
        });
        new ProgressDisplay(AnsiConsole.Console).Run(progress =>
        {
            trainer.Run(new StepProgress(progress, point => { curve.Add(point); Stepped?.Invoke(point); }, settings, bytesPerToken), cancellation);
            return true;
        });
        var last = curve[^1];
        Say($"trained at {last.TokensPerSecond:N0} tokens/s, {last.BytesPerSecond / 1000:F1} kB of text a second");

        var loss = LanguageModelTask.Evaluate(model, heldOut, EvaluationFactor * settings.WindowLength, Math.Max(1, settings.BatchSize / EvaluationFactor));
        model.Save(folder, target => TokenizerFiles.Save(target, vocabulary));
        Say($"saved to {folder}");
        return loss.Scaled((heldOut.Count - 1) / Math.Log(2) / validationBytes);
    }

    private static void Compare(Estimate measured, Yardstick[] references)
    {
        var bitsPerByte = measured.Value;
        var table = new Table().Border(TableBorder.Simple).AddColumns("on the held-out text", "bits per byte");
        foreach (var row in references.Append(new Yardstick("this model", bitsPerByte, TimeSpan.Zero)).OrderByDescending(row => row.BitsPerByte))
            table.AddRow(row.Name, FormattableString.Invariant($"{row.BitsPerByte:F3}"));
        AnsiConsole.Write(table);
        AnsiConsole.WriteLine($"this model, bits per byte: {measured}");
        var order5 = references.First(row => row.Name.Contains("order 5", StringComparison.Ordinal));
        var packed = references.First(row => row.Name.Contains("primed", StringComparison.Ordinal));
        AnsiConsole.WriteLine(
            (bitsPerByte < order5.BitsPerByte
                ? "The model has learned words, spelling and the phrases of this text better than counting contexts of five bytes can"
                : "The model has not yet learned more than counting contexts of five bytes tells")
            + (bitsPerByte < packed.BitsPerByte
                ? ", and more than the repeats that a strong compressor finds. It has not learned what the sentences mean."
                : "; a strong compressor, which may copy any earlier sentence to the letter, still does better. It has not learned what the sentences mean."));
    }

    private void Generate(string prompt, CancellationToken cancellation)
    {
        Say($"reloaded; {settings.GeneratedTokens} tokens after a prompt, {(double)settings.GeneratedTokens / settings.WindowLength:F1} times the training window:");
        AnsiConsole.WriteLine();
        var began = watch.Elapsed;
        new TextStream(folder, settings.GeneratedTokens, seed, greedy).WriteTo(AnsiConsole.Profile.Out.Writer, prompt, cancellation);
        AnsiConsole.WriteLine();
        Say($"{settings.GeneratedTokens / (watch.Elapsed - began).TotalSeconds:F0} tokens/s, loading included");
    }

    private void Say(FormattableString line) =>
        AnsiConsole.Profile.Out.Writer.WriteLine(FormattableString.Invariant($"[{watch.Elapsed.TotalSeconds,5:F1} s] ") + FormattableString.Invariant(line));

    private static string FirstWords(string text)
    {
        var words = text.Split([' ', '\n'], 5, StringSplitOptions.RemoveEmptyEntries);
        return string.Join(' ', words.Take(4));
    }
}
