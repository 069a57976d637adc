using System.Text;
using Microsoft.ML.Tokenizers;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>Text in, text out: tokenizes prompts, samples, and decodes without ever splitting a character.</summary>
/// <remarks>Holds no state between calls; calls may run side by side on different threads.</remarks>
public sealed class TextGenerator
{
    private readonly ISampler sampler;
    private readonly Tokenizer tokenizer;
    private readonly int? endOfText;

    /// <summary>Makes a generator.</summary>
    /// <param name="sampler">Draws the tokens.</param>
    /// <param name="tokenizer">The model's tokenizer; an end-of-text id ends a row without being returned.</param>
    public TextGenerator(ISampler sampler, ModelTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.sampler = sampler;
        this.tokenizer = tokenizer.Tokenizer;
        endOfText = tokenizer.EndOfTextId;
    }

    /// <summary>Streams the continuation of a prompt in pieces of whole characters.</summary>
    /// <param name="prompt">At least one token of text.</param>
    /// <param name="options">Length, stop strings and seed.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <exception cref="ArgumentException">The prompt holds no token.</exception>
    public IEnumerable<string> Stream(string prompt, TextGenerationOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new TextGenerationOptions();
        return Run([Encode(prompt)], options, cancellation).Select(piece => piece.Text).Where(text => text.Length > 0);
    }

    /// <summary>Continues prompts of different lengths as one batch.</summary>
    /// <param name="prompts">Each at least one token of text.</param>
    /// <param name="options">Length, stop strings and seed.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <returns>The continuations, in the order of the prompts.</returns>
    public IReadOnlyList<string> Generate(IReadOnlyList<string> prompts, TextGenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        var texts = prompts.Select(_ => new StringBuilder()).ToArray();
        if (prompts.Count == 0)
            return [];
        foreach (var (row, text) in Run([.. prompts.Select(Encode)], options ?? new TextGenerationOptions(), cancellation))
            texts[row].Append(text);
        return [.. texts.Select(text => text.ToString())];
    }

    private IEnumerable<(int Row, string Text)> Run(IReadOnlyList<int>[] prompts, TextGenerationOptions options, CancellationToken cancellation)
    {
        var rows = prompts.Select(_ => new TextRow(tokenizer, options.StopStrings, endOfText)).ToArray();
        using var random = new Generator(options.Seed ?? (ulong)System.Random.Shared.NextInt64());
        using var prompt = Grid(prompts);
        var taken = prompt.size(1);
        cancellation.ThrowIfCancellationRequested();
        foreach (var grid in sampler.Sample(prompt, options.MaxTokens, random))
        {
            long[] added;
            using (grid)
                added = Columns(grid, taken);
            var columns = added.Length / rows.Length;
            taken += columns;
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

    private IReadOnlyList<int> Encode(string prompt)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var ids = tokenizer.EncodeToIds(prompt);
        return ids.Count > 0 ? ids : throw new ArgumentException("A prompt needs at least one token; it is empty.", nameof(prompt));
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

    private static long[] Columns(Tensor grid, long from)
    {
        using var scope = NewDisposeScope();
        return grid.narrow(1, from, grid.size(1) - from).cpu().contiguous().data<long>().ToArray();
    }
}
