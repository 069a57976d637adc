using System.ComponentModel.DataAnnotations;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>How a model is asked for hidden keys.</summary>
public sealed class PasskeyOptions
{
    /// <summary>Lengths of prompts in tokens; no default.</summary>
    public IReadOnlyList<long> Lengths { get; set; } = [];

    /// <summary>Prompts of each length. Default 50.</summary>
    [Range(1, 1 << 20)]
    public int SampleCount { get; set; } = 50;

    /// <summary>Keys that a prompt hides. Default 1.</summary>
    [Range(1, 1 << 16)]
    public int KeyCount { get; set; } = 1;

    /// <summary>Whether the prompts of a length ask at evenly spread depths, beginning and end included; false, the default, for random ones.</summary>
    public bool SpreadsDepths { get; set; }

    /// <summary>Seed of keys and places. Default 0.</summary>
    public ulong Seed { get; set; }

    /// <summary>Tokens of a call while a prompt is read. Default 256.</summary>
    [Range(1, 1 << 20)]
    public int ChunkLength { get; set; } = 256;

    /// <summary>Prompts of one length that are read side by side. Default 1.</summary>
    [Range(1, 1 << 16)]
    public int BatchSize { get; set; } = 1;
}

/// <summary>Asks a model for keys that are hidden in long prompts.</summary>
/// <remarks>A prompt but for its last token is read in chunks; that token and the answer's are read one by one, as in generation, and each answer's token is
/// the likeliest.</remarks>
public static class Passkey
{
    /// <summary>Asks.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="task">Makes the prompts.</param>
    /// <param name="options">How many, how long and how deep.</param>
    /// <param name="cancellation">Observed before each call of the model.</param>
    /// <exception cref="ArgumentException">An option, a prompt or the model does not fit; names it.</exception>
    /// <exception cref="InvalidOperationException">Logits are not numbers.</exception>
    public static PasskeyResult Run(ILanguageModel model, PasskeyTask task, PasskeyOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(options);
        OptionRanges.Check(options);
        ScoredRows.Check(model, null, "");
        if (options.Lengths.Count == 0)
            throw new ArgumentException($"{nameof(PasskeyOptions)}.{nameof(options.Lengths)} is empty; give the lengths of prompts.");
        using var random = new Generator(options.Seed);
        using var frozen = no_grad();
        var answers = new List<PasskeyAnswer>();
        foreach (var length in options.Lengths)
        {
            var prompts = Enumerable.Range(0, options.SampleCount).Select(index => task.Make(length, options.KeyCount, Depth(index, options), random)).ToArray();
            // Prompts of a text may differ by some tokens.
            foreach (var batch in prompts.GroupBy(prompt => prompt.Tokens.Count).SelectMany(alike => alike.Chunk(options.BatchSize)))
            {
                foreach (var (prompt, given) in batch.Zip(Answers(model, batch, task.AnswerLength, options.ChunkLength, cancellation)))
                    answers.Add(new PasskeyAnswer(length, prompt.Depth, task.IsRight(prompt, given), given));
            }
        }
        return new PasskeyResult(answers);
    }

    private static double? Depth(int index, PasskeyOptions options) =>
        !options.SpreadsDepths ? null : options.SampleCount == 1 ? 0.5 : index / (options.SampleCount - 1.0);

    private static int[][] Answers(ILanguageModel model, PasskeyPrompt[] prompts, int count, int chunk, CancellationToken cancellation)
    {
        var device = PaddedRows.DeviceOf(model);
        var length = prompts[0].Tokens.Count;
        foreach (var outside in prompts.SelectMany(prompt => prompt.Tokens).Where(token => token < 0 || token >= model.VocabSize))
            throw new ArgumentException($"A prompt holds token {outside}, outside the vocabulary of {model.VocabSize}.");
        using var state = model.NewState(prompts.Length);
        for (var start = 0; start < length - 1; start += chunk)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var columns = Math.Min(chunk, length - 1 - start);
            var ids = prompts.SelectMany(prompt => prompt.Tokens.Skip(start).Take(columns)).Select(token => (long)token).ToArray();
            model.Hidden(tensor(ids, [prompts.Length, columns]).to(device), new SequenceContext(State: state)).Dispose();
        }
        var given = prompts.Select(_ => new int[count]).ToArray();
        long[] next = [.. prompts.Select(prompt => (long)prompt.Tokens[^1])];
        for (var place = 0; place < count; place++)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var logits = model.Logits(model.Hidden(tensor(next, [prompts.Length, 1]).to(device), new SequenceContext(State: state)).select(1, 0)); // (B, V)
            if (logits.isnan().any().ToBoolean())
                throw new InvalidOperationException($"The logits behind token {length - 1 + place} of a prompt are not numbers. Look for weights that are not finite, or a dtype too narrow for the model.");
            next = [.. logits.argmax(-1).cpu().data<long>()];
            for (var row = 0; row < prompts.Length; row++)
                given[row][place] = (int)next[row];
        }
        return given;
    }
}
