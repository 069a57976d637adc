using System.Runtime.CompilerServices;
using System.Text;

namespace LmKit;

/// <summary>Text in, text out: tokenizes prompts, samples, and decodes without ever splitting a character.</summary>
/// <remarks>Works over any sampler. One that only appends (<see cref="ISampler.IsAppendOnly"/>) is streamed token by token; of any other,
/// such as a diffusion sampler, the last version is the text, and <see cref="StreamAsync(string, GenerationOptions?, CancellationToken)"/>
/// shows the versions before it. Holds no state between calls; calls may run side by side on different threads.</remarks>
public sealed partial class TextGenerator
{
    private const int DefaultLength = 256;

    private readonly ISampler sampler;
    private readonly ModelTokenizer tokenizer;
    private readonly LogitFilter? known; // keeps away ids that the tokenizer does not have

    /// <summary>Makes a generator.</summary>
    /// <param name="sampler">Draws the tokens.</param>
    /// <param name="tokenizer">The model's tokenizer; an end-of-text id ends a row without being returned. What a published one puts before a text, such
    /// as its begin of text, is put before every prompt.</param>
    public TextGenerator(ISampler sampler, ModelTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(tokenizer);
        this.sampler = sampler;
        this.tokenizer = tokenizer;
    }

    /// <summary>Makes a generator that draws no id which the tokenizer does not have.</summary>
    /// <param name="sampler">Draws the tokens.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="vocabSize">Ids of the model.</param>
    /// <param name="further">Ids that may be drawn all the same; null for none but the sampler's stop tokens.</param>
    internal TextGenerator(ISampler sampler, ModelTokenizer tokenizer, long vocabSize, IEnumerable<long>? further = null)
        : this(sampler, tokenizer) => known = KnownIds.Filter(tokenizer, sampler, vocabSize, further ?? []);

    /// <summary>Continues prompts of different lengths as one batch.</summary>
    /// <param name="prompts">Each at least one token of text.</param>
    /// <param name="options">How, for all of them.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <returns>The continuations, in the order of the prompts.</returns>
    /// <exception cref="ArgumentException">A prompt holds no token, or an option is out of its range; names it.</exception>
    /// <exception cref="NotSupportedException">The sampler cannot obey an option; names both.</exception>
    public IReadOnlyList<string> Generate(IReadOnlyList<string> prompts, GenerationOptions? options = null, CancellationToken cancellation = default) =>
        GenerateEach(prompts, [options], cancellation);

    /// <summary>Continues prompts as one batch, each as it wants.</summary>
    /// <param name="prompts">Each at least one token of text.</param>
    /// <param name="options">How: an entry for each prompt, or one for all.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <inheritdoc cref="Generate(IReadOnlyList{string}, GenerationOptions?, CancellationToken)"/>
    public IReadOnlyList<string> GenerateEach(IReadOnlyList<string> prompts, IReadOnlyList<GenerationOptions?> options, CancellationToken cancellation = default)
    {
        var texts = prompts?.Select(_ => new StringBuilder()).ToArray();
        using var run = new Run(this, Tokens(prompts!, options), options);
        foreach (var update in Updates(run, cancellation))
            texts![update.Row].Append(update.Text);
        return [.. texts!.Select(text => text.ToString())];
    }

    /// <summary>Streams the continuation of a prompt in pieces of whole characters; of a sampler that does not only append, at its end.</summary>
    /// <param name="prompt">At least one token of text.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <exception cref="ArgumentException">The prompt holds no token, or an option is out of its range; names it.</exception>
    /// <exception cref="NotSupportedException">The sampler cannot obey an option; names both.</exception>
    public IEnumerable<string> Stream(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var ids = Tokens([prompt], [options]);
        var own = options?.Under(null); // as it is now
        CheckStream(ids, [own]);
        return Enumerate();

        IEnumerable<string> Enumerate()
        {
            using var run = new Run(this, ids, [own]);
            foreach (var update in Updates(run, cancellation))
            {
                if (update.Text.Length > 0)
                    yield return update.Text;
            }
        }
    }

    /// <summary>Streams the continuation of a prompt; steps run on the thread pool.</summary>
    /// <param name="prompt">At least one token of text.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <returns>Pieces of whole characters, or versions where the sampler does not only append; the last tells why the text ended and how many
    /// tokens it took.</returns>
    /// <inheritdoc cref="Stream" path="/exception"/>
    public IAsyncEnumerable<TextUpdate> StreamAsync(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return StreamEachAsync([prompt], [options], cancellation);
    }

    /// <summary>Streams the continuations of prompts as one batch, each as it wants; steps run on the thread pool.</summary>
    /// <param name="prompts">Each at least one token of text.</param>
    /// <param name="options">How: an entry for each prompt, or one for all.</param>
    /// <param name="cancellation">Observed before every token.</param>
    /// <inheritdoc cref="StreamAsync(string, GenerationOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TextUpdate> StreamEachAsync(IReadOnlyList<string> prompts, IReadOnlyList<GenerationOptions?> options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var ids = Tokens(prompts, options);
        GenerationOptions?[] own = [.. options.Select(one => one?.Under(null))]; // as they are now
        CheckStream(ids, own);
        return EnumerateAsync(cancellation);

        async IAsyncEnumerable<TextUpdate> EnumerateAsync([EnumeratorCancellation] CancellationToken stop)
        {
            using var run = new Run(this, ids, own, showsVersions: true);
            while (!run.IsOver)
            {
                stop.ThrowIfCancellationRequested();
                foreach (var update in await Task.Run(run.Step, CancellationToken.None).ConfigureAwait(false))
                    yield return update;
            }
        }
    }

    // Everything is checked at the call, and not when the result is first read.
    private void CheckStream(IReadOnlyList<int>[] prompts, IReadOnlyList<GenerationOptions?> options)
    {
        new Run(this, prompts, options).Dispose();
        if (!sampler.IsAppendOnly && options.FirstOrDefault(one => one?.StopSequences?.Any(stop => stop.Length > 0) == true) is { } asked)
        {
            throw new NotSupportedException(
                $"{nameof(GenerationOptions.StopSequences)} = ['{string.Join("', '", asked.StopSequences!)}'] cannot end a stream of {sampler.GetType().Name}, whose versions may still change; leave it out, or take Generate, which cuts the text at its end.");
        }
    }

    private GenerationOptions Knowing(GenerationOptions options)
    {
        if (known is null)
            return options;
        var copy = options.Under(null);
        copy.Filters = [.. options.Filters ?? [], known];
        return copy;
    }

    private static IEnumerable<TextUpdate> Updates(Run run, CancellationToken cancellation)
    {
        while (!run.IsOver)
        {
            cancellation.ThrowIfCancellationRequested();
            foreach (var update in run.Step())
                yield return update;
        }
    }

    private IReadOnlyList<int>[] Tokens(IReadOnlyList<string> prompts, IReadOnlyList<GenerationOptions?> options)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        if (prompts.Contains(null!))
            throw new ArgumentException($"Prompt {prompts.Index().First(entry => entry.Item is null).Index} is null.", nameof(prompts));
        ArgumentNullException.ThrowIfNull(options);
        IReadOnlyList<int>[] ids = [.. prompts.Select((prompt, row) => tokenizer.EncodePrompt(prompt, Of(row)?.AllowSpecialTokens is true))];
        return Array.FindIndex(ids, row => row.Count == 0) is >= 0 and var empty
            ? throw new ArgumentException($"A prompt needs at least one token; prompt {empty} is empty.", nameof(prompts))
            : ids;

        // What does not fit the prompts is refused where they are run.
        GenerationOptions? Of(int row) => row < options.Count ? options[row] : options is [var one, ..] ? one : null;
    }
}
