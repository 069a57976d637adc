using Microsoft.Extensions.AI;

namespace LmKit;

/// <summary>The text of one row of ids that come one by one: whole characters, without what ends it.</summary>
/// <remarks>A part of a character is held back, and so is what may still become a stop sequence. An id that the tokenizer does not have, such
/// as a diffusion model's mask, is U+FFFD. One stream serves one thread at a time.</remarks>
public sealed partial class TokenStream
{
    private const string Unknown = "\ufffd";

    private readonly ModelTokenizer tokenizer;
    private readonly Decoder decoder;
    private readonly IReadOnlyList<string> stops;
    private readonly IReadOnlySet<long> stopTokens;
    private readonly IReadOnlyDictionary<long, string>? special;
    private readonly int limit;
    private string held = "";

    /// <summary>Begins a text.</summary>
    /// <param name="tokenizer">Decodes; its end of text ends the row.</param>
    /// <param name="options">Most tokens (no bound where it says none), stop sequences, and ids that end the row.</param>
    /// <exception cref="ArgumentException">An option is out of its range; names it.</exception>
    public TokenStream(ModelTokenizer tokenizer, GenerationOptions? options = null)
        : this(tokenizer ?? throw new ArgumentNullException(nameof(tokenizer)), Checked(options).StopSequences ?? [], Ends(tokenizer, options?.StopTokens ?? []), options?.MaxOutputTokens ?? int.MaxValue)
    {
    }

    /// <param name="tokenizer">Decodes.</param>
    /// <param name="stops">Stop sequences.</param>
    /// <param name="stopTokens">Ids that end the row.</param>
    /// <param name="limit">Most tokens.</param>
    /// <param name="special">Texts of ids that the tokenizer does not have; null for none.</param>
    internal TokenStream(ModelTokenizer tokenizer, IReadOnlyList<string> stops, IReadOnlySet<long> stopTokens, int limit, IReadOnlyDictionary<long, string>? special = null)
    {
        (this.tokenizer, this.stopTokens, this.limit, this.special) = (tokenizer, stopTokens, limit, special);
        this.stops = stops.Any(stop => stop.Length == 0) ? [.. stops.Where(stop => stop.Length > 0)] : stops; // every text holds an empty one
        decoder = new Decoder(tokenizer.Tokenizer);
        if (limit == 0)
            FinishReason = ChatFinishReason.Length;
    }

    /// <summary>Why the text is over: a stop, or its length; null while it goes on.</summary>
    public ChatFinishReason? FinishReason { get; private set; }

    /// <summary>Whether the text is over; nothing is text after it.</summary>
    public bool HasEnded => FinishReason is not null;

    /// <summary>Ids taken so far, one that ended the text included.</summary>
    public int OutputTokenCount { get; private set; }

    /// <summary>Takes an id, negative where the sampler gave the row none, and returns the text that is now certain.</summary>
    public string Add(long id)
    {
        if (HasEnded)
            return "";
        if (id < 0)
            return Flush();
        OutputTokenCount++;
        if (stopTokens.Contains(id))
            return End(ChatFinishReason.Stop);
        var text = Safe(id < tokenizer.VocabSize ? decoder.Add((int)id) : decoder.Flush() + (special?.GetValueOrDefault(id) ?? Unknown));
        return HasEnded || OutputTokenCount < limit ? text : text + Flush();
    }

    /// <summary>Ends the text by its length and returns what was held back.</summary>
    public string Flush() => HasEnded ? "" : End(ChatFinishReason.Length);

    /// <summary>Options that can be obeyed.</summary>
    /// <exception cref="ArgumentException">One is out of its range, or a stop sequence is null; names it.</exception>
    internal static GenerationOptions Checked(GenerationOptions? options)
    {
        options ??= new GenerationOptions();
        OptionRanges.Check(options);
        var missing = options.StopSequences?.ToList().IndexOf(null!) ?? -1;
        return missing < 0 ? options : throw new ArgumentException($"{nameof(GenerationOptions.StopSequences)}[{missing}] is null; leave it out.", nameof(options));
    }

    /// <summary>The ids that end a text of a tokenizer.</summary>
    internal static HashSet<long> Ends(ModelTokenizer tokenizer, params IEnumerable<IEnumerable<long>> further) =>
        [.. further.SelectMany(ids => ids), .. tokenizer.EndOfTextId is { } end ? [(long)end] : Array.Empty<long>()];

    private string End(ChatFinishReason reason)
    {
        var rest = Safe(decoder.Flush());
        FinishReason ??= reason;
        (rest, held) = (rest + held, "");
        return rest;
    }

    // Takes new text and returns what is safe to pass on; at a stop sequence the text is over.
    private string Safe(string text)
    {
        if (stops.Count == 0)
            return text;
        held += text;
        var first = stops.Select(stop => held.IndexOf(stop, StringComparison.Ordinal)).Where(index => index >= 0).DefaultIfEmpty(-1).Min();
        var length = first >= 0 ? first : held.Length - LongestPartial();
        var safe = held[..length];
        held = first >= 0 ? "" : held[length..];
        if (first >= 0)
            FinishReason = ChatFinishReason.Stop;
        return safe;
    }

    private int LongestPartial()
    {
        for (var length = Math.Min(held.Length, stops.Max(stop => stop.Length - 1)); length > 0; length--)
        {
            var end = held.AsSpan(held.Length - length);
            foreach (var stop in stops)
            {
                if (stop.Length > length && stop.AsSpan().StartsWith(end, StringComparison.Ordinal))
                    return length;
            }
        }
        return 0;
    }
}
