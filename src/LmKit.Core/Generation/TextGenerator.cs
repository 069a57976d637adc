using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Text in, text out: tokenizes prompts, samples, and decodes without ever splitting a character.</summary>
/// <remarks>Works over any sampler. One that only appends (<see cref="ISampler.IsAppendOnly"/>) is streamed token by token; of any other,
/// such as a diffusion sampler, only the last version is text, so it comes at the end.
/// Holds no state between calls; calls may run side by side on different threads.</remarks>
public sealed class TextGenerator
{
    private readonly ISampler sampler;
    private readonly ModelTokenizer tokenizer;
    private readonly HashSet<long> stopTokens;

    /// <summary>Makes a generator.</summary>
    /// <param name="sampler">Draws the tokens.</param>
    /// <param name="tokenizer">The model's tokenizer; an end-of-text id ends a row without being returned.</param>
    public TextGenerator(ISampler sampler, ModelTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.sampler = sampler;
        this.tokenizer = tokenizer;
        stopTokens = tokenizer.EndOfTextId is { } end ? [end] : [];
    }

    /// <summary>Streams the continuation of a prompt in pieces of whole characters.</summary>
    /// <param name="prompt">At least one token of text.</param>
    /// <param name="options">Length, stop strings and seed.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <exception cref="ArgumentException">The prompt holds no token, or an option is out of its range; names it.</exception>
    public IEnumerable<string> Stream(string prompt, TextGenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return Run([prompt], options, cancellation).Select(piece => piece.Text).Where(text => text.Length > 0);
    }

    /// <summary>Continues prompts of different lengths as one batch.</summary>
    /// <param name="prompts">Each at least one token of text.</param>
    /// <param name="options">Length, stop strings and seed.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <returns>The continuations, in the order of the prompts.</returns>
    /// <exception cref="ArgumentException">A prompt holds no token, or an option is out of its range; names it.</exception>
    public IReadOnlyList<string> Generate(IReadOnlyList<string> prompts, TextGenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        var texts = prompts.Select(_ => new StringBuilder()).ToArray();
        foreach (var (row, text) in Run(prompts, options, cancellation))
            texts[row].Append(text);
        return [.. texts.Select(text => text.ToString())];
    }

    // Everything is checked here, at the call, and not when the result is first read.
    private IEnumerable<(int Row, string Text)> Run(IReadOnlyList<string> prompts, TextGenerationOptions? options, CancellationToken cancellation)
    {
        options ??= new TextGenerationOptions();
        OptionRanges.CheckCount(options.MaxTokens, nameof(TextGenerationOptions.MaxTokens));
        var stops = StopStringMatcher.Checked(options.StopStrings, nameof(TextGenerationOptions.StopStrings));
        if (prompts.Contains(null))
            throw new ArgumentException($"Prompt {prompts.Index().First(entry => entry.Item is null).Index} is null.", nameof(prompts));
        IReadOnlyList<int>[] ids = [.. prompts.Select(prompt => tokenizer.Tokenizer.EncodeToIds(prompt))];
        if (Array.FindIndex(ids, row => row.Count == 0) is >= 0 and var empty)
            throw new ArgumentException($"A prompt needs at least one token; prompt {empty} is empty.", nameof(prompts));
        return ids.Length == 0 ? [] : Run(ids, options.MaxTokens, stops, options.Seed, cancellation);
    }

    private IEnumerable<(int Row, string Text)> Run(IReadOnlyList<int>[] prompts, long length, IReadOnlyList<string> stops, ulong? seed, CancellationToken cancellation)
    {
        var rows = prompts.Select(_ => new TextRow(tokenizer, stops, stopTokens)).ToArray();
        using var generators = RowGenerators.Consecutive(rows.Length, unchecked((long)(seed ?? (ulong)System.Random.Shared.NextInt64())));
        using var prompt = Grid(prompts);
        cancellation.ThrowIfCancellationRequested();
        using var reader = new GridReader(sampler, new SampleRequest(prompt, length) { Generators = generators });
        while (reader.Next() is { } added)
        {
            var columns = added.Length / rows.Length;
            for (var column = 0; column < columns; column++)
            {
                for (var row = 0; row < rows.Length; row++)
                    yield return (row, rows[row].Add(added[row * columns + column]));
            }
            if (rows.All(row => row.HasEnded))
                break;
            cancellation.ThrowIfCancellationRequested();
        }
        for (var row = 0; row < rows.Length; row++)
            yield return (row, rows[row].Flush());
    }

    private static Tensor Grid(IReadOnlyList<int>[] prompts)
    {
        var width = prompts.Max(prompt => prompt.Count);
        var ids = new long[prompts.Length * width];
        Array.Fill(ids, -1);
        for (var row = 0; row < prompts.Length; row++)
        {
            var start = (row + 1) * width - prompts[row].Count;
            for (var index = 0; index < prompts[row].Count; index++)
                ids[start + index] = prompts[row][index];
        }
        return tensor(ids, [prompts.Length, width]).DetachFromDisposeScope();
    }
}

/// <summary>How text is generated, beside how tokens are drawn.</summary>
public sealed class TextGenerationOptions
{
    /// <summary>Most tokens to add, at least 0; a model that can read no further ends a text earlier. Default 256.</summary>
    public long MaxTokens { get; set; } = 256;

    /// <summary>Texts that end a row; they are matched on the text, wherever token borders fall, and not returned. Empty ones are passed over.</summary>
    public IReadOnlyList<string> StopStrings { get; set; } = [];

    /// <summary>Seed of the draws; null for a fresh one each time.</summary>
    /// <remarks>Prompt i of a batch draws from Seed + i, and so gives the text that it gives alone with that seed.</remarks>
    public ulong? Seed { get; set; }
}

/// <summary>One row of a text generation: ids in, safe text out.</summary>
/// <remarks>An id that the tokenizer does not have, as a diffusion model's mask, is U+FFFD in the text.</remarks>
/// <param name="tokenizer">Decodes.</param>
/// <param name="stops">Texts that end the row, none of them empty.</param>
/// <param name="stopTokens">Ids that end the row and are no text.</param>
/// <param name="special">Texts of ids that the tokenizer does not have; null for none.</param>
internal sealed class TextRow(ModelTokenizer tokenizer, IReadOnlyList<string> stops, IReadOnlySet<long> stopTokens, IReadOnlyDictionary<long, string>? special = null)
{
    private const string Unknown = "\ufffd";

    private readonly IncrementalDecoder decoder = new(tokenizer.Tokenizer);
    private readonly StopStringMatcher matcher = new(stops);

    /// <summary>Whether the row is over: a stop has come, or it was flushed.</summary>
    internal bool HasEnded { get; private set; }

    /// <summary>Ids taken so far, a stop token included.</summary>
    internal long Count { get; private set; }

    /// <summary>Takes an id, negative where the sampler ended the row, and returns the text that is certain.</summary>
    internal string Add(long id)
    {
        if (HasEnded)
            return "";
        Count += id < 0 ? 0 : 1;
        if (id < 0 || stopTokens.Contains(id))
            return Flush();
        var text = matcher.Add(id < tokenizer.VocabSize ? decoder.Add((int)id) : decoder.Flush() + (special?.GetValueOrDefault(id) ?? Unknown));
        HasEnded = matcher.HasStopped;
        return text;
    }

    /// <summary>Ends the row and returns what was held back.</summary>
    internal string Flush()
    {
        if (HasEnded)
            return "";
        HasEnded = true;
        return matcher.Add(decoder.Flush()) + matcher.Flush();
    }
}
